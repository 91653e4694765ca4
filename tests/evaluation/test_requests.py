"""Requests of an evaluation, and the fingerprint of what their predictions depend on."""

from __future__ import annotations

from dataclasses import replace

from toy import Rows, Square, question

from frozenvl.evaluation import FewShotVQA
from frozenvl.evaluation.query import Query
from frozenvl.evaluation.requests import evaluation_of, in_order, length_of, requests_of
from frozenvl.evaluation.suite import session_of
from frozenvl.prompt import BlackImage
from frozenvl.video import Video


def test_the_fingerprint_covers_what_predictions_depend_on(tiny_trained, tmp_path):
    """The output folder and the number of ranks do not matter."""
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    benchmark = FewShotVQA(source=Rows(question(0), question(1)), shots=[0])
    (setting,) = benchmark.settings()
    queries = in_order("vqa", benchmark.queries(setting), session)

    def fingerprint(benchmark=benchmark, view="seeing", session=session, queries=queries) -> str:
        return evaluation_of(benchmark, setting, view, session, queries).fingerprint

    elsewhere = replace(session, rank=0, world_size=3, folder=tmp_path / "x")
    assert fingerprint(session=elsewhere) == fingerprint()
    others = [
        fingerprint(view="test-blind"),
        fingerprint(queries=queries[:1]),
        fingerprint(queries=[replace(q, prompt=(Square("z"), *q.prompt[1:])) for q in queries]),
        fingerprint(session=replace(session, provenance=session.provenance | {"trained_weights": "others"})),
        fingerprint(FewShotVQA(source=benchmark.source, shots=[0], max_new_tokens=11)),
    ]
    assert len({fingerprint(), *others}) == 6


def test_a_video_is_as_long_as_its_frames():
    image, text = Square("a.png"), "a text"
    queries = [Query("q", prompt, "a") for prompt in ((image, text), (Video([image] * 3), text), (text,))]
    assert [length_of(query, 2) for query in queries] == [14, 30, 6]


def test_each_frame_of_a_video_is_blinded(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    query = Query("q", (Video([Square("a.png"), Square("b.png")]), "a text"), "a")
    (request,) = requests_of([query], "test-blind", session)
    assert request.prompt[0].frames == (BlackImage(), BlackImage()) and request.prompt[1] == "a text"
    (seeing,) = requests_of([query], "seeing", session)
    assert seeing.prompt[0].frames == query.prompt[0].frames
