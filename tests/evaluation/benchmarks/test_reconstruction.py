"""The benchmark of autoencoders: PSNR and SSIM of known pictures, and its gallery."""

from __future__ import annotations

import numpy as np
import pytest
from toy import Rows, Square

from frozenvl.evaluation.benchmarks import Reconstruction
from frozenvl.evaluation.benchmarks.reconstruction import SHOWN
from frozenvl.evaluation.query import Answer
from frozenvl.prompt import Example


def images(count: int) -> Rows:
    return Rows(
        *(Example(f"{n:02}", Square(f"{n}.png"), f"photograph {n % 2}", ("a",)) for n in range(count))
    )


def test_scores_and_gallery_of_known_pictures():
    made = Reconstruction(source=images(SHOWN + 2))
    setting = made.settings()[0]
    answers = {}
    for number, query in enumerate(made.queries(setting)):
        picture = np.full((32, 32, 3), 128 + (10 if number % 2 else 20), np.uint8)
        answers[query.id] = Answer(query, picture=picture)
    answers["00"] = Answer(answers["00"].query, unreadable="torn")
    scores = made.score(setting, answers)
    far, near = (20 * np.log10(255 / step) for step in (20, 10))
    assert scores.scores["PSNR"] == pytest.approx((far * 8 + near * 9) / 17, rel=1e-5)
    assert 0.9 < scores.scores["SSIM"] < 1
    assert scores.units == ["photograph 1", "photograph 0"]
    tiles = list(made.tiles(setting, answers))
    assert len(tiles) == 2 * SHOWN and tiles[0].texts == ["01"]  # the first ones by id, not a choice
    assert tiles[1].texts[0].startswith(f"PSNR {near:.1f}, SSIM 0.9")


def test_it_stands_beside_captions_of_the_same_task():
    assert Reconstruction().name == "reconstruction" and Reconstruction("coco").name == "coco_reconstruction"
