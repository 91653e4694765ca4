"""What benchmarks of attribution maps share: examples, texts, words, errors; and whole evaluations with a resume."""

from __future__ import annotations

import json

import numpy as np
import pytest
from suites import described, rows_of, scenes, toy
from toy import Rows, Square, question

from frozenvl.analysis.occlusion import Occlusion
from frozenvl.evaluation import Completeness, Deletion, PointingGame, Randomisation
from frozenvl.evaluation.benchmark import Setting
from frozenvl.evaluation.benchmarks.explained import map_of, minus
from frozenvl.evaluation.query import Answer, Query
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

METHODS = {"occlusion": Occlusion(grid=2)}
OCCLUSION = {"class_path": "frozenvl.analysis.occlusion.Occlusion", "init_args": {"grid": 2}}
GRADIENTS = {
    "class_path": "frozenvl.analysis.integrated_gradients.IntegratedGradients",
    "init_args": {"grid": 2, "max_steps": 64},
}


def caption(number: int) -> Example:
    image = Square(f"{number}.png")
    return Example(f"c{number}", image, image.name, (f"a {number}", "another"))


@pytest.mark.parametrize("kind", [Deletion, Randomisation, Completeness])
def test_the_models_own_caption_is_explained_unless_the_reference_is_asked_for(kind):
    source = Rows(*map(caption, range(3)))
    own = toy(b=kind(METHODS, source=source))["b"].queries(Setting())
    assert [query.candidates for query in own] == [()] * 3
    template = Template("{image}A photo:", " {target}", stop=("\n",))
    made = toy(b=kind(METHODS, source=source, text="reference", template=template))["b"]
    assert [query.candidates for query in made.queries(Setting())] == [(f" a {n}",) for n in range(3)]
    assert made.ask.target == " {target}" and list(made.ask.generate.stop) == ["\n"]
    assert made.settings()[0].provenance == {"explained": "reference text"}


def test_a_size_takes_the_same_sample_in_every_run():
    source = Rows(*(question(n) for n in range(30)))
    few, more = (
        [query.id for query in toy(b=Deletion(METHODS, source=source, size=size))["b"].queries(Setting())]
        for size in (5, 12)
    )
    assert len(few) == 5 and len(more) == 12 and set(few) < set(more)
    assert few != [f"q{n}" for n in range(5)]


def test_maps_are_read_row_by_row_and_differences_need_both():
    answer = Answer(Query("q", (), "q"), explanation={"m": (1.0, 2.0, 3.0, 4.0)})
    assert map_of(answer, "m").tolist() == [[1, 2], [3, 4]]
    assert minus({"a": 3.0, "b": 1.0}, {"a": 1.0}) == {"a": 2.0}


def test_bad_options_are_one_line():
    source = Rows(caption(0))
    with pytest.raises(UserError, match="Deletion: give it a task of data\\.val, or a source"):
        Deletion(METHODS)
    with pytest.raises(UserError, match="size is 0"):
        Deletion(METHODS, source=source, size=0)
    with pytest.raises(UserError, match="points is 0"):
        Deletion(METHODS, source=source, points=0)
    with pytest.raises(UserError, match="no part to randomise"):
        Randomisation(METHODS, source=source, parts=())
    with pytest.raises(UserError, match="tolerance is 0"):
        Completeness(METHODS, source=source, tolerance=0)
    with pytest.raises(UserError, match="needs methods"):
        PointingGame({}, source=source)
    nameless = Example("x", Square("x.png"), "x")
    with pytest.raises(UserError, match="no answer and no caption"):
        list(toy(b=Deletion(METHODS, source=Rows(nameless), text="reference"))["b"].queries(Setting()))


SUITE = {
    "pointing": described(
        "PointingGame",
        methods={"occlusion": OCCLUSION, "gradients": GRADIENTS},
        source=scenes("SceneQuestions", size=9),
        question_types=["what color is the", "what color are the", "what shape is the", "how many"],
    ),
    "deletion": described(
        "Deletion",
        methods={"occlusion": OCCLUSION},
        source=scenes("SceneCaptions", size=5),
        grid=2,
        points=4,
        max_new_tokens=4,
    ),
    "randomised": described(
        "Randomisation",
        methods={"occlusion": OCCLUSION},
        source=scenes("SceneCaptions", size=3),
        parts=["mapper", "vision"],
        text="reference",
    ),
    "complete": described(
        "Completeness",
        methods={"gradients": GRADIENTS, "occlusion": OCCLUSION},
        source=scenes("SceneCaptions", size=3),
        text="reference",
    ),
}


def test_a_suite_scores_all_four_and_continues_where_it_stopped(evaluate, run, capsys):
    """In fp32 of the tiny run. The maps are of random weights: what is tested is the way of the numbers."""
    assert evaluate(SUITE, batch_size=2) == 0
    folder = run / "evaluation"
    scores = {name: json.loads((folder / name / "score.json").read_text()) for name in SUITE}
    for name, score in scores.items():
        (main,) = [m["name"] for m in score["metrics"] if m["main"]]
        assert main in score["scores"], name
        assert all(low <= score["scores"][key] <= high for key, (low, high) in score["intervals"].items())
        assert "occlusion" in score["provenance"]["methods"]
    # Each figure again from the predictions.
    rows = rows_of(folder / "deletion")
    areas = {
        name: np.mean(
            [
                np.trapezoid(
                    np.exp(row["explanation"][f"{name}/deletion"]), np.array(row["explanation"]["counts"]) / 4
                )
                for row in rows.values()
                if "explanation" in row
            ]
        )
        for name in ("occlusion", "random", "centre")
    }
    found = scores["deletion"]["scores"]
    for name, area in areas.items():
        assert found[f"deletion/{name}"] == pytest.approx(area, abs=1e-5)
    gain = areas["occlusion"] - areas["random"]
    assert found["deletion/occlusion/minus_random"] == pytest.approx(gain, abs=1e-5)
    assert scores["complete"]["scores"]["gradients"] == 100.0
    assert -1 <= scores["randomised"]["scores"]["mapper/occlusion"] < 1
    assert 0 < scores["pointing"]["scores"]["random"] < 30
    capsys.readouterr()
    assert evaluate(SUITE, batch_size=2) == 0
    assert "reused from an earlier run" in capsys.readouterr().out


def test_the_suites_of_the_project_name_methods_that_exist():
    from pathlib import Path

    import yaml

    from frozenvl.evaluation.suite import read_suite

    folder = Path(__file__).parents[3] / "configs/evaluation"
    made = read_suite([folder / "explain_scenes.yaml"], None, [])
    assert {type(benchmark) for benchmark in made.values()} >= {PointingGame, Randomisation, Completeness}
    methods = yaml.safe_load((folder / "explain_scenes.yaml").read_text())["methods"]
    assert yaml.safe_load((folder / "explain.yaml").read_text())["methods"].keys() <= methods.keys()
    for benchmark in made.values():
        assert benchmark.queries(benchmark.settings()[0])[0].candidates
