"""The benchmark of drawing heads: recall of images by known pictures, and its gallery."""

from __future__ import annotations

import numpy as np
import pytest
from toy import Broken, Rows, Square

from frozenvl.evaluation.benchmarks import Drawing
from frozenvl.evaluation.query import Answer, Query
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]


def benchmark(tiny_vision, *examples: Example) -> Drawing:
    images = [Square(f"{n}.png", colour, noise=5) for n, colour in enumerate(COLOURS)]
    rows = [Example(f"{n}", image, f"photograph {n}", (f"square {n}",)) for n, image in enumerate(images)]
    return Drawing(source=Rows(*(examples or rows)), encoder=str(tiny_vision))


def test_a_picture_of_the_image_is_found_by_it(tiny_vision):
    made = benchmark(tiny_vision)
    setting = made.settings()[0]
    answers = {}
    for query in made.queries(setting):
        assert query.prompt == query.references
        picture = np.asarray(query.image.read().resize((32, 32)))
        answers[query.id] = Answer(query, picture=picture)
    assert made.score(setting, answers).scores["R@1"] == 100
    exchanged = answers | {"0": Answer(answers["0"].query, picture=answers["1"].picture)}
    assert made.score(setting, exchanged).scores["R@1"] == 75
    torn = Query("torn", ("x",), "x", image=Broken())
    with_torn = answers | {"torn": Answer(torn, picture=answers["0"].picture)}
    assert made.score(setting, with_torn).scores["R@1"] == 100
    assert made.score(setting, with_torn).notes == ["each true image is looked for among 4"]
    assert made.baselines(setting) == {"chance": 100.0} and made.scored_by(setting)
    tiles = list(made.tiles(setting, answers))
    assert [tile.question for tile in tiles[::2]] == [f"square {n}" for n in range(4)]
    assert tiles[1].texts[0].startswith("drawn, PSNR ")


def test_an_image_without_a_caption_is_refused(tiny_vision):
    made = benchmark(tiny_vision, Example("x", Square("x.png"), "x"))
    with pytest.raises(UserError, match="example x has no caption to draw"):
        list(made.queries(made.settings()[0]))
