"""Explain: maps, curves and randomised maps of each prompt, on a tiny model and by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import PIL.Image
import pytest
import torch
from toy import Broken, Square

from frozenvl.analysis.masking import Masking
from frozenvl.analysis.method import Maps, Method
from frozenvl.analysis.occlusion import Occlusion
from frozenvl.analysis.target import Target, TargetFunction
from frozenvl.evaluation.asks import Explain, Generate
from frozenvl.evaluation.partial import answer_of, row_of
from frozenvl.evaluation.query import Query, Request
from frozenvl.evaluation.suite import session_of
from frozenvl.metrics.attribution import removal_counts, removal_order
from frozenvl.util.errors import UserError


@pytest.fixture
def session(tiny_trained, tmp_path):
    return session_of(tiny_trained, tmp_path, ["seeing"], 8, None)


def request(key: str = "q", text: str = " red", image=None) -> Request:
    image = image or Square(f"{key}.png", (200, 30, 60), noise=60)
    prompt = (image, "Question: what color? Answer:")
    return Request(Query(key, prompt, key, candidates=(text,) if text else ()), prompt, 0)


class Drawn(Method):
    """Random maps with a spread, without a look at the model."""

    name = "drawn"

    def maps(self, function, progress=None) -> Maps:
        values = torch.arange(4.0).view(1, 2, 2)
        return Maps(values=values, names=function.names, method=self.name, spread=values / 10)


def test_maps_and_ends_are_those_of_the_method(session):
    method = Occlusion(grid=3)
    (answer,) = Explain({"occlusion": method, "drawn": Drawn()})([request()], session)
    maps = method.maps(TargetFunction(session.model, session.plain, request().prompt, Target(" red")))
    assert answer.text == "red" and len(answer.explanation["occlusion"]) == 9
    assert answer.explanation["occlusion"] == pytest.approx(maps.values.flatten().tolist(), abs=1e-5)
    assert answer.explanation["occlusion/ends"] == pytest.approx(
        (float(maps.value), float(maps.value_at_baseline)), abs=1e-5
    )
    assert answer.explanation["drawn/spread"] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert "drawn/ends" not in answer.explanation and "occlusion/spread" not in answer.explanation


def test_curves_delete_and_insert_the_cells_in_their_order(session):
    (answer,) = Explain({"occlusion": Occlusion(grid=2)}, points=4, grid=2)(
        [request(text=" a red circle")], session
    )
    numbers = answer.explanation
    function = TargetFunction(session.model, session.plain, request().prompt, Target(" a red circle"))
    tokens = len(session.plain.encode(" a red circle"))
    masking = Masking(function, 2)
    order = removal_order(np.reshape(numbers["occlusion"], (2, 2)), "q")
    for kind, start in (("deletion", 1.0), ("insertion", 0.0)):
        curve = []
        for count in removal_counts(4, 4):
            mask = torch.full((4,), start)
            mask[order[:count].tolist()] = 1 - start
            curve.append(float(masking(mask.view(1, 2, 2))) / tokens)
        assert numbers[f"occlusion/{kind}"] == pytest.approx(curve, abs=1e-5)
        # All orders begin and end with the same two images.
        for name in ("random", "centre"):
            ends = numbers[f"{name}/{kind}"]
            assert (ends[0], ends[-1]) == pytest.approx((curve[0], curve[-1]), abs=1e-5)
    assert numbers["occlusion/deletion"][0] == pytest.approx(numbers["occlusion/ends"][0] / tokens, abs=1e-5)


def test_maps_of_other_grids_are_averaged_before_cells_are_deleted(session):
    class Corner(Method):
        name = "corner"

        def maps(self, function, progress=None) -> Maps:
            values = torch.zeros(1, 4, 4)
            values[0, 3, 0] = 1.0
            return Maps(values=values, names=function.names, method=self.name)

    (answer,) = Explain({"corner": Corner()}, points=4, grid=2)([request()], session)
    function = TargetFunction(session.model, session.plain, request().prompt, Target(" red"))
    without = torch.tensor([[[1.0, 1.0], [0.0, 1.0]]])
    tokens = len(session.plain.encode(" red"))
    assert answer.explanation["corner/deletion"][1] == pytest.approx(
        float(Masking(function, 2)(without)) / tokens, abs=1e-5
    )


def test_randomised_maps_are_of_the_same_text_and_the_model_stays_as_it_was(session):
    before = {name: x.clone() for name, x in session.model.state_dict().items()}
    ask = Explain({"occlusion": Occlusion(grid=3)}, randomised=("mapper", "vision"))
    (answer,) = ask([request()], session)
    numbers = answer.explanation
    for part in ("mapper", "vision"):
        assert len(numbers[f"occlusion/{part}"]) == 9
        assert numbers[f"occlusion/{part}"] != pytest.approx(numbers["occlusion"], abs=1e-4)
    assert all(torch.equal(x, before[name]) for name, x in session.model.state_dict().items())
    (again,) = ask([request()], session)
    assert again.explanation == numbers


def test_the_models_own_text_is_explained_if_no_text_is_given(session):
    generate = Generate(5)
    image = Square("seen.png", (200, 30, 60), noise=60)
    (said,) = generate([request(text="", image=image)], session)
    ask = Explain({"occlusion": Occlusion(grid=2)}, generate=generate, target=" {target}")
    own, given = ask([request("a", text="", image=image), request("b", text=" red")], session)
    assert said.text
    (expected,) = ask([request("a", text=f" {said.text}", image=image)], session)
    assert own.text == said.text and own.explanation == expected.explanation
    assert given.text == "red" and ask.max_new_tokens == 5


def test_a_model_that_says_nothing_has_no_map(session, monkeypatch):
    from frozenvl.evaluation.query import Answer

    monkeypatch.setattr(Generate, "answer", lambda self, requests, *rest: [Answer(r.query) for r in requests])
    (answer,) = Explain({"occlusion": Occlusion(grid=2)})([request(text="")], session)
    assert not answer.explanation and not answer.unreadable


def test_an_image_that_cannot_be_read_is_reported(session):
    broken, fine = Explain({"occlusion": Occlusion(grid=2)})(
        [request("a", image=Broken()), request("b")], session
    )
    assert "torn" in broken.unreadable and not broken.explanation and fine.explanation


def test_gradients_are_computed_where_lightning_allows_none(session):
    from frozenvl.analysis.integrated_gradients import IntegratedGradients

    ask = Explain({"gradients": IntegratedGradients(grid=2, max_steps=64)})
    (expected,) = ask([request()], session)
    with torch.inference_mode():
        (answer,) = ask([request()], session)
    assert 1 <= answer.explanation["gradients/steps"][0] <= 64
    assert answer.explanation["gradients"] == pytest.approx(expected.explanation["gradients"], abs=1e-5)


def test_an_explanation_survives_the_predictions_file(session):
    (answer,) = Explain({"drawn": Drawn()})([request()], session)
    row = row_of(request(), answer)
    assert row["explanation"]["drawn"] == [0, 1, 2, 3]
    again = answer_of(request().query, row).explanation
    assert again["drawn"] == (0, 1, 2, 3) and again["drawn/spread"] == pytest.approx((0, 0.1, 0.2, 0.3))


def test_methods_and_settings_are_recorded():
    facts = Explain({"mine": Occlusion(grid=3)}, points=5, randomised=("mapper",)).provenance()
    assert (
        facts["methods"]["mine"]["class_path"].endswith("Occlusion") and facts["methods"]["mine"]["grid"] == 3
    )
    assert facts["curves"] == {"points": 5, "grid": 7, "baseline": "mean"}
    assert facts["randomised"] == {"parts": ["mapper"], "seed": 0}
    assert "curves" not in Explain({"mine": Occlusion()}).provenance()


@pytest.mark.parametrize("name", ["random", "centre", "image", "counts", "a/b", ""])
def test_names_that_would_be_mistaken_are_refused(name):
    with pytest.raises(UserError, match="cannot be named"):
        Explain({name: Drawn()})


def test_bad_options_are_one_line(session):
    with pytest.raises(UserError, match="needs methods"):
        Explain({})
    with pytest.raises(UserError, match="points is -1"):
        Explain({"drawn": Drawn()}, points=-1)
    with pytest.raises(UserError, match="no part 'tuning'"):
        Explain({"drawn": Drawn()}, randomised=("tuning",)).check(session)


@dataclass(frozen=True)
class Wide(Square):
    """Image twice as wide as high."""

    def read(self, side: int | None = None) -> PIL.Image.Image:
        return super().read(side).crop((0, 0, 64, 32))


def test_padding_is_not_deleted(session):
    """Deleting it changes nothing, which would slow a random order down, and flatter every map beside it."""
    wide = Wide("wide.png", (200, 30, 60), noise=60)
    (answer,) = Explain({"drawn": Drawn()}, points=16, grid=4)([request(image=wide)], session)
    left, top, right, bottom = answer.explanation["image"]
    assert (left, right) == (0, 1) and 0 < top < bottom < 1 and bottom - top == pytest.approx(0.5)
    assert answer.explanation["counts"] == tuple(range(9))  # two of four rows
    assert len(answer.explanation["random/deletion"]) == 9
    (square,) = Explain({"drawn": Drawn()}, points=16, grid=4)([request()], session)
    assert square.explanation["image"] == (0, 0, 1, 1) and len(square.explanation["counts"]) == 17
