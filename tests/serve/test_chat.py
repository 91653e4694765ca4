"""Conversations of the page; tests/serve/test_page.py holds them in a browser."""

from __future__ import annotations

import pytest

gr = pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'frozenvl[serve]'")

from frozenvl.prompt import ImageFile  # noqa: E402 - imports Gradio
from frozenvl.serve.chat import Chat  # noqa: E402
from frozenvl.serve.engine import Engine  # noqa: E402
from frozenvl.serve.inputs import Inputs  # noqa: E402
from frozenvl.serve.uploads import Uploads  # noqa: E402
from frozenvl.util.errors import UserError  # noqa: E402


@pytest.fixture(scope="module")
def engine(tiny_run) -> Engine:
    return Engine(tiny_run, "tiny")


@pytest.fixture
def chat(engine, tmp_path) -> Chat:
    uploads = Uploads(tmp_path)
    with gr.Blocks():
        inputs = Inputs(uploads)
        inputs.place_question()
        inputs.place_decoding()
        inputs.place_builder()
        made = Chat([engine, engine], inputs, uploads)
        made.connect()
    return made


def said(text: str, *files) -> dict:
    return {"text": text, "files": [str(file) for file in files]}


def values_of(chat: Chat, image=None, length: int = 32) -> list:
    return ["", image and str(image), length, *(component.value for component in chat.inputs.builder.inputs)]


def test_turns_are_those_of_a_conversation_with_each_model(chat, engine, photos):
    talk, expected = None, engine.model.chat(engine.processor, max_new_tokens=8)
    for message, images in (
        (said("Is it blue?"), [photos / "0.png"]),
        (said("And this?", photos / "1.png"), [photos / "1.png"]),
    ):
        *_, (talk, _, *boxes) = chat._say(talk, message, *values_of(chat, photos / "0.png", 8))
        reply = expected.say(*map(ImageFile, images), message["text"])
        assert [box[-1]["content"] for box in boxes] == [reply or "(empty)"] * 2
        assert [m["role"] for m in boxes[0]].count("assistant") == len(expected.turns)
    assert sum(isinstance(m["content"], dict) for m in boxes[0]) == 2
    message, *boxes = chat._undo(talk)
    assert message["text"] == "And this?" and len(boxes[0]) == 3
    assert chat._new(talk) == [None, None, [], []]


def test_a_stopped_reply_is_what_was_shown(chat, photos):
    stream = chat._say(None, said("Is it blue?", photos / "0.png"), *values_of(chat))
    for talk, _, first, _ in stream:
        if first[-1]["content"] != "…":
            chat._stop(talk)
            break
    *_, (talk, _, first, _) = stream
    whole = talk.conversations[1].model.chat(talk.conversations[1]._processor, max_new_tokens=32)
    whole = whole.say(ImageFile(photos / "0.png"), "Is it blue?")
    assert whole.startswith(first[-1]["content"]) and first[-1]["content"] != whole


def test_an_empty_message_and_nothing_to_undo_are_one_line(chat):
    with pytest.raises(UserError, match="the message is empty"):
        next(chat._say(None, said(" "), *values_of(chat)))
    with pytest.raises(UserError, match="no turn to undo"):
        chat._undo(None)
