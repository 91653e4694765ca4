"""Provenance of scores, and the fingerprint by which answers are reused."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.metadata import version

import pytest
from running import score
from suites import coco
from toy import Broken, Square

from frozenvl.evaluation.provenance import LIBRARIES, content_of, fingerprint, of_frames, of_model
from frozenvl.evaluation.query import Query
from frozenvl.prompt import Delimiter
from frozenvl.training.trained_run import load_trained
from frozenvl.video import Video


def test_a_score_carries_its_provenance(tiny_run):
    captions, vqa = score(tiny_run, "captions"), score(tiny_run, "vqa-2shot")
    assert captions["samples"] == captions["of"] == 5 and captions["partial"] is False
    assert captions["step"] == 6
    assert set(captions["scores"]) == {"Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "CIDEr", "ROUGE_L"}
    assert set(captions["intervals"]) <= set(captions["scores"])
    around = captions["provenance"]
    assert around["template"]["query"] == "{image}" and around["decoding"] == "greedy"
    assert around["end_tokens"] == [0], "the tiny model's own"
    assert "after 5 tokens" in around["ends"] and "PTB" in around["metrics_tokenizer"]
    assert around["model"]["k"] == 2 and around["precision"] == "fp32" and around["versions"]["torch"]
    assert vqa["provenance"]["template"]["query"] == "{image}Question: {question} Answer:"
    assert vqa["setting"] == {"shots": 2, "induction": False, "demonstrations": "per_question", "seed": 0}
    assert (vqa["benchmark"], vqa["protocol"], vqa["view"]) == ("vqa", "vqa", "seeing")
    assert [metric["name"] for metric in vqa["metrics"] if metric["main"]] == ["overall"]
    assert 0 <= vqa["baselines"]["most_frequent"] <= 100


def test_answers_are_not_reused_if_images_changed_under_the_same_names(evaluate, answered, tmp_path, capsys):
    assert evaluate(coco(tmp_path / "data", "a dog", "red")) == 0
    assert answered == [2]
    content_of.cache_clear()  # as in a new process
    assert evaluate(coco(tmp_path / "data", "a dog", "red")) == 0
    assert answered == [2] and "2 of 2 answers are reused from an earlier run" in capsys.readouterr().out
    content_of.cache_clear()
    assert evaluate(coco(tmp_path / "data", "a dog", "blue")) == 0
    assert answered == [2, 2]


QUERY = Query("q1", (Square("a.png"), "Is it red?"), "a", ("yes",), candidates=(" yes", " no"))
KNOWN = {"precision": "bf16", "decoding": {"num_beams": 2}}


@pytest.mark.parametrize(
    ("provenance", "query"),
    [
        (KNOWN | {"precision": "fp32"}, QUERY),
        (KNOWN | {"decoding": {"num_beams": 3}}, QUERY),
        (KNOWN, replace(QUERY, id="q2")),
        (KNOWN, replace(QUERY, prompt=(Square("a.png"), "Is it blue?"))),
        (KNOWN, replace(QUERY, prompt=(Square("a.png", (1, 2, 3)), "Is it red?"))),
        (KNOWN, replace(QUERY, prompt=(Square("a.png"), "Is it", " red?"))),
        (KNOWN, replace(QUERY, prompt=(Square("a.png").digest, "Is it red?"))),
        (KNOWN, replace(QUERY, candidates=(" no", " yes"))),
        (KNOWN, replace(QUERY, prompt=(Square("a.png"), Delimiter("reply"), "Is it red?"))),
    ],
)
def test_anything_that_predictions_depend_on_changes_the_fingerprint(provenance, query):
    assert fingerprint(provenance, [query]) != fingerprint(KNOWN, [QUERY])


def test_nothing_else_changes_the_fingerprint():
    """The order of keys and the references do not matter; the order of queries does."""
    known = fingerprint(KNOWN, [QUERY])
    assert re.fullmatch("[0-9a-f]{16}", known)
    scored = replace(QUERY, references=("no",), kind={"answer_type": "other"}, scores={"no": 1.0}, shared=1)
    assert fingerprint(dict(reversed(KNOWN.items())), [scored]) == known
    other = replace(QUERY, id="q2")
    assert fingerprint(KNOWN, [QUERY, other]) != fingerprint(KNOWN, [other, QUERY])


def test_unreadable_images_have_a_content_hash_of_their_own():
    """The fingerprint changes once the image can be read, so the query is asked again."""
    torn = replace(QUERY, prompt=(Broken(), "Is it red?"))
    assert content_of(Broken()) == "unreadable" and content_of(Square("a.png")) == Square("a.png").digest
    assert fingerprint(KNOWN, [torn]) == fingerprint(
        KNOWN, [replace(torn, prompt=(Broken("b"), "Is it red?"))]
    )
    assert fingerprint(KNOWN, [torn]) != fingerprint(KNOWN, [QUERY])


def test_provenance_of_two_checkpoints_differs_only_in_the_weights(tiny_run):
    last, earlier = (
        of_model(trained.model, trained.trained_weights, trained.precision, False, True, 64)
        for trained in (
            load_trained(tiny_run / "checkpoints" / file) for file in ("last.ckpt", "step=2.ckpt")
        )
    )
    assert {key for key in last if last[key] != earlier[key]} == {"trained_weights"}
    assert last["versions"] == {name: version(name) for name in LIBRARIES}
    assert (last["precision"], last["eval_batch_size"], last["blind"]) == ("fp32", 64, False)


def test_the_sampling_of_videos_is_recorded():
    images = [Square("a.png"), Square("b.png")]
    queries = [
        QUERY,
        Query("q2", (Video(images), "Is it?"), "a"),
        Query("q3", (Video(images, "endpoints"),), "a"),
    ]
    assert of_frames([QUERY]) == {}
    assert of_frames(queries) == {
        "frames": "endpoints, 8 frames; uniform, 2 frames",
        "decoder": f"av {version('av')}",
    }
    assert len({fingerprint(KNOWN, [query]) for query in queries}) == 3
