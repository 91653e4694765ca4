"""Likelihood differences: against scores of the model, with unreadable images, in batches."""

from __future__ import annotations

import pytest
import torch

from frozenvl.model.frozen import FrozenVL
from frozenvl.prompt import ImageFile, Sample
from frozenvl.retrieval import likelihood_match
from frozenvl.retrieval.image_files import image_files
from frozenvl.retrieval.likelihood_match import likelihood_differences
from frozenvl.wording import Template

TEXTS = ["a red circle", "This is a {dax}.", "yes"]


@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize(
    "template", [Template(), Template("{image}A photo of", " {target}")], ids=["plain", "worded"]
)
def test_differences_equal_those_of_two_scores(tiny_model: FrozenVL, folder, template, alpha, monkeypatch):
    monkeypatch.setattr(likelihood_match, "IMAGES", 3)
    (folder / "bb.png").write_bytes(b"no image")
    images = [ImageFile(path) for path in image_files([folder])]
    processor = tiny_model.processor()
    matched = list(
        likelihood_differences(tiny_model, processor, [*images, images[0]], TEXTS, template, alpha)
    )
    assert [one.image for one in matched] == [*images, images[0]]
    assert [one.reason != "" for one in matched] == [False, False, True, False, False, False]
    assert "bb.png: not a readable image" in matched[2].reason and matched[2].scores is None
    lead = template.query.removeprefix("{image}")
    targets = [template.target.format(target=text) for text in TEXTS]
    alone = tiny_model.score(processor.for_texts()([Sample("", (lead,) if lead else (), t) for t in targets]))
    for one in matched:
        if one.scores is not None:
            prompt = (one.image, lead) if lead else (one.image,)
            seen = tiny_model.score(processor([Sample("", prompt, target) for target in targets]))
            assert torch.from_numpy(one.scores).float().tolist() == pytest.approx(
                (seen - alpha * alone).tolist(), abs=1e-3
            )


def test_nothing_is_judged_without_images(tiny_model):
    assert list(likelihood_differences(tiny_model, tiny_model.processor(), [], TEXTS)) == []
