"""Matching: the true caption among foils, ties, the row without images, and suites."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest
from retrieval_models import retrieval_model
from running import one_line
from suites import described, rows_of, scenes, toy
from toy import Rows, Square

from frozenvl.evaluation import Matching
from frozenvl.evaluation.asks import Choose
from frozenvl.evaluation.query import Answer
from frozenvl.evaluation.requests import evaluation_of, in_order
from frozenvl.evaluation.runner import evaluate as run_benchmark
from frozenvl.evaluation.score_file import read_score
from frozenvl.evaluation.session import Session
from frozenvl.evaluation.suite import session_of
from frozenvl.model.heads import Matching as MatchingHead
from frozenvl.prompt import Example
from frozenvl.report.compare import compare
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


def pair(key: str, *choices: str, **more) -> Example:
    image = Square(f"{key}.png", (30 * len(key), 90, 9))
    return Example(key, image, f"image {key}", choices[:1], choices=choices, **more)


def matching(*examples: Example, **options) -> Matching:
    return toy(toy=Matching(source=Rows(*examples), **options))["toy"]


def answered(made: Matching, **values: tuple[list[float], list[float]]) -> dict[str, Answer]:
    """Answers queries by their values and their values without images, the foils' before the caption's."""
    answers = {}
    for query in made.queries(made.settings()[0]):
        seen, blind = values[query.id]
        best = query.candidates[seen.index(max(seen))]
        answers[query.id] = Answer(query, best, best, True, tuple(seen), text_values=tuple(blind))
    return answers


def test_queries_are_the_image_with_the_true_caption_last():
    made = matching(pair("a", "a dog", "a cat", "two dogs"), template=Template("{image}It is", " {target}"))
    (query,) = made.queries(made.settings()[0])
    assert query.prompt == (query.image, "It is")
    assert query.candidates == (" a cat", " two dogs", " a dog") and query.references == ("a dog",)
    assert matching(pair("a", "a", "b")).queries(made.settings()[0])[0].prompt == (query.image,)


def test_ties_and_foils_that_equal_the_caption_count_as_wrong():
    made = matching(pair("a", "x", "y"), pair("b", "x", "y"), pair("c", "x", "y"), pair("d", "x", "x"))
    answers = answered(made, a=([1, 2], [2, 1]), b=([2, 2], [1, 1]), c=([2, 1], [1, 2]), d=([1, 1], [1, 1]))
    assert [made.right(answer) for answer in answers.values()] == [1, 0, 0, 0]
    scores = made.score(made.settings()[0], answers).scores
    assert scores == {"overall": 25, "text_only": 25}


def test_prompts_that_cannot_be_read_count_as_wrong():
    made = matching(pair("a", "x", "y"))
    (query,) = made.queries(made.settings()[0])
    answers = {"a": Answer(query, unreadable="torn")}
    assert made.right(answers["a"]) == 0
    assert made.score(made.settings()[0], answers).scores == {"overall": 0, "text_only": 0}


def test_chance_is_the_mean_of_one_by_the_number_of_candidates():
    made = matching(pair("a", "x", "y"), pair("b", "x", "y", "z", "w"))
    assert made.baselines(made.settings()[0]) == {"chance": 37.5}


def test_scores_are_broken_down_by_kind():
    made = matching(
        pair("a", "x", "y", kind={"category": "add"}), pair("b", "x", "y", kind={"category": "swap"})
    )
    scores = made.score(made.settings()[0], answered(made, a=([1, 2], [2, 1]), b=([2, 1], [1, 2]))).scores
    assert (scores["category/add"], scores["category/swap"]) == (100, 0)
    assert (scores["text_only/category/add"], scores["text_only/category/swap"]) == (0, 100)


@pytest.mark.parametrize(
    ("ids", "items"),
    [(("7/0", "7/1"), True), (("7/0", "8/1"), False), (("a", "b"), False)],
    ids=["an item", "two items", "no items"],
)
def test_winogrounds_scores_are_given_for_items(ids, items):
    made = matching(pair(ids[0], "x", "y"), pair(ids[1], "y", "x"))
    values = dict(zip(ids, [([1.0, 2.0], [0.0, 0.0]), ([0.0, 3.0], [0.0, 0.0])], strict=True))
    scores = made.score(made.settings()[0], answered(made, **values)).scores
    # x given its image 2, y given it 1; y given its image 3, x given it 0
    assert ({"text", "image", "group"} <= scores.keys()) is items
    assert not items or (scores["text"], scores["image"], scores["group"]) == (100, 100, 100)


def test_an_item_of_which_one_query_is_asked_has_no_scores():
    made = matching(pair("7/0", "x", "y"), pair("7/1", "y", "x"))
    answers = answered(made, **{"7/0": ([1, 2], [0, 0]), "7/1": ([0, 3], [0, 0])})
    assert "text" not in made.score(made.settings()[0], {"7/0": answers["7/0"]}).scores


def test_text_only_is_the_accuracy_of_the_likelihood_without_the_image(tiny_trained, tmp_path):
    """Other images change the values, not the values without images."""
    session = session_of(tiny_trained, tmp_path, ["seeing"], 8, None)
    texts = [("a red circle", "a large red circle"), ("two dogs", "dogs two"), ("a cat", "a cat and a dog")]
    found = []
    for colour in (0, 200):
        examples = [
            Example(str(n), Square(f"{n}", (colour, 9, 99)), str(n), row[:1], choices=row)
            for n, row in enumerate(texts)
        ]
        made = matching(*examples, choose="sum")
        queries = in_order("toy", made.queries(made.settings()[0]), session)
        requests = evaluation_of(made, made.settings()[0], "seeing", session, queries).requests
        found.append({answer.query.id: answer for answer in made.ask(requests, session)})
    black, bright = found
    assert all(black[key].text_values == bright[key].text_values != () for key in black)
    assert any(black[key].values != bright[key].values for key in black)
    rights = [row.text_values[-1] > row.text_values[0] for row in bright.values()]
    scores = made.score(made.settings()[0], bright).scores
    assert scores["text_only"] == pytest.approx(100 * sum(rights) / len(rights))


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("SceneCaptions", "captions are for the benchmark Captions"),
        ("SceneQuestions", "questions for FewShotVQA"),
    ],
)
def test_a_source_without_foils_is_refused_in_one_line(evaluate, run, capsys, source, named):
    capsys.readouterr()
    assert evaluate({"pairs": described("Matching", source=scenes(source, size=4))}) == 2
    line = one_line(capsys.readouterr().err)
    assert line.startswith("pairs: example ") and "SugarCrepePairs" in line and named in line


def test_an_empty_choice_is_refused():
    made = matching(pair("a", "x", " "))
    with pytest.raises(UserError, match="example a has an empty caption among its choices"):
        made.queries(made.settings()[0])[0]


def write_pairs(folder: Path, count: int = 4) -> dict:
    """Writes a small SugarCrepe; returns the source's description."""
    (folder / "images").mkdir(parents=True)
    for number in range(count):
        PIL.Image.new("RGB", (40, 30), (50 * number, 99, 200)).save(folder / f"images/{number}.png")
    items = {
        category: {
            str(n): {
                "filename": f"{n}.png",
                "caption": f"a {colour} dog",
                "negative_caption": f"a {colour} cat on {n} dogs",
            }
            for n in range(count)
        }
        for category, colour in (("add_obj", "red"), ("swap_att", "blue"))
    }
    (folder / "pairs.json").write_text(json.dumps(items))
    files = {"annotations": str(folder / "pairs.json"), "images": str(folder / "images")}
    return {"class_path": "frozenvl.data.sources.sugarcrepe.SugarCrepePairs", "init_args": files}


@pytest.mark.parametrize("measure", ["sum", "mean", "calibrated", "difference"])
def test_a_suite_runs_it_and_its_answers_are_reused(evaluate, run, tmp_path, capsys, measure):
    source = write_pairs(tmp_path / "data")
    suite = {"pairs": described("Matching", source=source, choose=measure)}
    assert evaluate(suite) == 0
    score = read_score(run / "evaluation/pairs/score.json")
    assert score.main == "overall" and score.baselines == {"chance": 50.0} and score.samples == 8
    names = {"overall", "category/add_obj", "category/swap_att"}
    assert score.scores.keys() == names | {name.replace("overall", "text_only") if name == "overall" else
                                           f"text_only/{name}" for name in names}  # fmt: skip
    assert score.shown == ["overall", "text_only"]
    assert score.provenance["chosen_by"] == f"likelihood, {measure}" and score.provenance["text_only"] is True
    assert ("alpha" in score.provenance) is (measure == "difference")
    rows = rows_of(run / "evaluation/pairs")
    rights = [row["values"][-1] > row["values"][0] for row in rows.values()]
    blind = [row["text_values"][-1] > row["text_values"][0] for row in rows.values()]
    assert score.scores["overall"] == pytest.approx(100 * sum(rights) / 8)
    assert score.scores["text_only"] == pytest.approx(100 * sum(blind) / 8)
    again = compare(*[run / "evaluation/pairs/predictions.jsonl"] * 2)
    assert again.a == pytest.approx(score.scores) and again.differences.keys() == score.scores.keys()
    capsys.readouterr()
    assert evaluate(suite) == 0
    assert "8 of 8 answers are reused" in capsys.readouterr().out
    assert read_score(run / "evaluation/pairs/score.json").scores == score.scores


@pytest.mark.parametrize(
    "template", [{}, {"query": "{image}It shows", "target": " {target}"}], ids=["image", "text"]
)
def test_a_difference_is_left_out_where_prompts_have_no_prefix(evaluate, run, tmp_path, capsys, template):
    suite = {"pairs": described("Matching", source=write_pairs(tmp_path / "data"), template=template)}
    assert evaluate(suite, "--views", "seeing", "test-blind", "text-only") == 0
    reason = (
        "differences of likelihoods compare prompts" if template else "without images its prompts are empty"
    )
    assert f"pairs-text-only: left out, since {reason}" in capsys.readouterr().out
    assert {folder.name for folder in (run / "evaluation").iterdir()} == {"pairs", "pairs-test-blind"}
    seen, blind = (rows_of(run / "evaluation" / name) for name in ("pairs", "pairs-test-blind"))
    assert all(seen[key]["text_values"] == blind[key]["text_values"] for key in seen)
    assert any(seen[key]["values"] != blind[key]["values"] for key in seen)


def test_arguments_reach_the_request():
    made = Matching(source=Rows(), choose="mean", end_token=True)
    assert made.ask == Choose("mean", 1.0, text_only=True, end_token=True)
    assert Matching(source=Rows(), alpha=0.5).ask == Choose(
        "difference", 0.5, text_only=True, end_token=False
    )


@pytest.mark.parametrize("choose", ["head", "yes"])
def test_a_head_or_an_answer_chooses(tiny_language, tiny_vision, tmp_path, capsys, choose):
    model = retrieval_model(tiny_language, tiny_vision, extra={"m": MatchingHead()}).eval()
    session = Session(
        model, model.processor(), tmp_path, {"blind": False}, 0, 4, views=["seeing", "text-only"]
    )
    texts = [("a red circle", "blue stars"), ("two dogs", "no"), ("a cat", "a child in a dress", "stairs")]
    template = Template("{image}It shows", " {target}")
    rows = [pair(key, *row) for key, row in zip("abc", texts, strict=True)]
    made = matching(*rows, choose=choose, template=template)
    (setting,) = made.settings()
    run_benchmark(made, setting, session)
    assert "toy-text-only: left out, since a matching compares an image" in capsys.readouterr().out
    score, rows = read_score(tmp_path / "toy/score.json"), rows_of(tmp_path / "toy")
    rights = [row["values"][-1] > max(row["values"][:-1]) for row in rows.values()]
    assert score.scores["overall"] == pytest.approx(100 * sum(rights) / 3) and "text_only" in score.scores
    judge = model.match if choose == "head" else model.match_by_answer
    pairs = [(made.source[0].image, text) for text in ("blue stars", "a red circle")]
    assert rows["a"]["values"] == pytest.approx(judge(session.plain, pairs).tolist(), abs=1e-3)


def test_a_missing_head_is_one_line_that_names_the_benchmark(evaluate, run, tmp_path, capsys):
    suite = {"pairs": described("Matching", source=write_pairs(tmp_path / "data"), choose="head")}
    assert evaluate(suite) == 2
    assert one_line(capsys.readouterr().err).startswith("pairs: the model has no matching head; train one")
