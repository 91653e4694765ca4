"""What an evaluation leaves behind, and what it can go on from."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image
from toy import Broken, Rows, Square, question

from frozenvl.evaluation import FewShotVQA
from frozenvl.evaluation.partial import Parts, as_line
from frozenvl.evaluation.requests import Evaluation, asked
from frozenvl.evaluation.results import FULL, keep
from frozenvl.evaluation.suite import context_of
from frozenvl.util.files import read_json, read_lines

ODD = "a\u2028b \u2029 c\x85d \r e \x1c f \0"
"""All that ends a line for somebody."""


@pytest.fixture
def context(tiny_trained, tmp_path):
    return context_of(tiny_trained, tmp_path, ["seeing"], 4, None)


def evaluated(context, texts, view="seeing", image=None) -> Evaluation:
    """An evaluation in which these texts were said, kept."""
    benchmark = FewShotVQA(source=Rows(*(question(n, image) for n in range(len(texts)))), shots=[0])
    benchmark.name = "vqa"
    (setting,) = benchmark.settings()
    queries = asked(benchmark, setting, context)
    evaluation = Evaluation(benchmark, setting, view, context, queries)
    records = {
        q.id: {"id": q.id, "text": text, "image_id": q.image_id, "references": list(q.references)}
        for q, text in zip(sorted(queries, key=lambda q: q.id), texts, strict=True)
    }
    keep(evaluation, records)
    return evaluation


def test_right_and_wrong_answers_are_shown_in_full(context):
    texts = ["yes"] * 9 + ["no"] * 9
    folder = context.folder / evaluated(context, texts).name
    shown = json.loads((folder / "shown.json").read_text())
    assert [sum(row["right"] == value for row in shown) for value in (0, 1)] == [FULL, FULL]
    for row in shown:
        assert [*row["prompt"][0]] == ["image"] and row["prompt"][1]["text"].startswith("Question: Is it ")
        with Image.open(folder / row["prompt"][0]["image"]) as picture:
            assert max(picture.size) <= 160
    score = json.loads((folder / "score.json").read_text())
    assert score["scores"]["overall"] == 50 and score["samples"] == score["of"] == 18


def test_whatever_a_model_says_is_kept_and_drawn(context):
    folder = context.folder / evaluated(context, [ODD, "yes"]).name
    rows = read_json(folder / "predictions.jsonl")
    assert [row["text"] for row in rows] == [ODD, "yes"]
    assert (folder / "gallery.png").is_file()


def test_images_that_a_view_did_not_need_may_be_unreadable(context):
    """Only text was shown, so nothing was wrong with the answers."""
    folder = context.folder / evaluated(context, ["yes", "no"], "text-only", Broken()).name
    shown = json.loads((folder / "shown.json").read_text())
    assert len(shown) == 2 and not any("image" in part for row in shown for part in row["prompt"])


@pytest.mark.parametrize("text", ["plain", "é ü", ODD, '"\\'])
def test_a_line_of_json_is_one_line(text):
    assert json.loads(as_line({"text": text})) == {"text": text}
    assert len(as_line({"text": text}).splitlines()) == 1


def test_parts_hold_until_they_are_removed(tmp_path):
    context = SimpleNamespace(folder=tmp_path, rank=0, resumable=True)
    first = Parts(context, "x", "print")
    assert first.known == {}
    first.add({"1": {"id": "1"}})
    first.add({"2": {"id": "2"}})
    second = Parts(context, "x", "print")
    second.add({"3": {"id": "3"}})
    assert set(Parts(context, "x", "print").known) == {"1", "2", "3"}
    assert Parts(context, "x", "another").known == {}
    second.remove()
    assert Parts(context, "x", "print").known == {} and not list((tmp_path / "x").iterdir())


@pytest.mark.parametrize("score", ["", "[]", "{}", '{"fingerprint": "another"}'])
def test_a_score_that_is_not_ours_is_no_finished_evaluation(tmp_path, score):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "predictions.jsonl").write_text('{"id": "1"}\n')
    context = SimpleNamespace(folder=tmp_path, rank=0, resumable=True)
    (tmp_path / "x" / "score.json").write_text(score)
    assert Parts(context, "x", "print").known == {}
    (tmp_path / "x" / "score.json").write_text('{"fingerprint": "print"}')
    assert Parts(context, "x", "print").known == {"1": {"id": "1"}}


def test_lines_are_read_as_far_as_they_were_written(tmp_path):
    whole = '{"id": "1"}\n{"id": "é"}\n'.encode()
    for cut in range(len(whole) + 1):
        (tmp_path / "part").write_bytes(whole[:cut])
        found = list(read_lines(tmp_path / "part"))
        assert found == [{"id": "1"}, {"id": "é"}][: (cut >= 11) + (cut >= len(whole) - 1)]


def test_what_predictions_depend_on_is_in_their_fingerprint(context):
    """And nothing else: where they are kept, or on how many ranks."""
    one = evaluated(context, ["yes", "no"])
    same = replace(one, context=replace(context, rank=0, world_size=3, folder=context.folder / "x"))
    assert same.fingerprint == one.fingerprint
    benchmark = one.benchmark
    longer = FewShotVQA(source=benchmark.source, shots=[0], max_new_tokens=11)
    for other in (
        replace(one, view="test-blind"),
        replace(one, queries=one.queries[:1]),
        replace(one, queries=[replace(q, prompt=(Square("z"), *q.prompt[1:])) for q in one.queries]),
        replace(one, context=replace(context, facts=context.facts | {"trained_weights": "others"})),
        replace(one, benchmark=longer),
    ):
        assert other.fingerprint != one.fingerprint
