"""Conversations of the page, in Python and in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

gr = pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'frozenvl[serve]'")

from visits import QUESTION, squeezed, until  # noqa: E402

from frozenvl.model.conversation import Conversation  # noqa: E402
from frozenvl.prompt import ImageFile, Turn  # noqa: E402 - imports Gradio
from frozenvl.retrieval.load import load_model  # noqa: E402
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
    *_, (talk, _, first, second) = stream
    assert second == [*first[:-1], {"role": "assistant", "content": "(empty)"}]
    whole = talk.conversations[1].model.chat(talk.conversations[1]._processor, max_new_tokens=32)
    whole = whole.say(ImageFile(photos / "0.png"), "Is it blue?")
    assert whole.startswith(first[-1]["content"]) and first[-1]["content"] != whole


def test_an_empty_message_and_nothing_to_undo_are_one_line(chat):
    with pytest.raises(UserError, match="the message is empty"):
        next(chat._say(None, said(" "), *values_of(chat)))
    with pytest.raises(UserError, match="no turn to undo"):
        chat._undo(None)


def test_a_reply_comes_word_by_word_and_the_next_message_knows_the_conversation(
    visit, tiny_run, headed_run, photos
):
    visit.upload(photos / "0.png")
    page = visit.page
    visit.open("Chat")
    page.evaluate(
        "() => { window.seen = []; new MutationObserver(() => {"
        " for (const box of document.querySelectorAll('.chat .bot')) window.seen.push(box.innerText.trim())"
        " }).observe(document.body, {subtree: true, childList: true, characterData: true}) }"
    )
    models = [load_model(run) for run in (tiny_run, headed_run)]
    conversations = [model.chat(processor, max_new_tokens=32) for model, processor, _ in models]
    replies: list[str] = []
    for turn, message in enumerate(((ImageFile(photos / "0.png"), QUESTION), ("What shape is it?",))):
        visit.say(message[-1])
        for place, conversation in enumerate(conversations):
            expected = squeezed(conversation.say(*message))
            replies.append(expected)
            shown = page.locator(".chat").nth(place).locator(".bot").nth(turn)
            until(lambda shown=shown, expected=expected: squeezed(shown.inner_text()) == expected)
    seen = {squeezed(text) for text in page.evaluate("window.seen")}
    partly = {text for text in seen for reply in replies if text and text != reply and reply.startswith(text)}
    assert len(partly) > 2
    visit.button("Undo").click()
    until(lambda: page.locator(".chat").first.locator(".bot").count() == 1)
    assert page.locator("#message textarea").input_value() == "What shape is it?"
    visit.button("New conversation").click()
    until(lambda: page.locator(".chat .bot").count() == 0)
    visit.open("Answer")


def test_stop_keeps_what_is_shown_and_the_next_message_goes_on_from_it(
    visit, tiny_run, headed_run, photos, monkeypatch
):
    stream, stopped = Conversation.stream, threading.Event()

    def until_stopped(self: Conversation, *message: object) -> Iterator[str]:
        with closing(stream(self, *message)) as pieces:
            for place, piece in enumerate(pieces):
                yield piece
                assert place or stopped.wait(60)

    monkeypatch.setattr(Conversation, "stream", until_stopped)
    page, message, picture = visit.page, "What shape is it?", ImageFile(photos / "0.png")
    visit.upload(picture.path)
    visit.open("Chat")
    replies = [page.locator(".chat").nth(place).locator(".bot") for place in (0, 1)]
    visit.say(message)
    until(lambda: replies[0].count() == 1 and replies[0].inner_text().strip() not in ("", "…"))
    with page.expect_response(lambda response: "/run/" in response.url):
        visit.button("Stop").click()
    stopped.set()
    until(lambda: replies[1].inner_text().strip() == "(empty)")
    monkeypatch.undo()
    shown = squeezed(replies[0].inner_text())
    visit.say(QUESTION)
    for place, run in enumerate((tiny_run, headed_run)):
        model, processor, _ = load_model(run)
        conversation, reply = model.chat(processor, max_new_tokens=32), ""
        if place == 0:
            whole = model.chat(processor, max_new_tokens=32).say(picture, message)
            with closing(conversation.stream(picture, message)) as pieces:
                for piece in pieces:
                    reply += piece
                    if squeezed(reply) == shown:
                        break
            assert squeezed(reply) == shown and reply != whole
        conversation.turns = (Turn((picture, message), reply),)
        expected = squeezed(conversation.say(QUESTION))
        until(lambda box=replies[place], expected=expected: squeezed(box.last.inner_text()) == expected)
    assert squeezed(replies[0].first.inner_text()) == shown
    visit.button("New conversation").click()
    until(lambda: page.locator(".chat .bot").count() == 0)
    visit.open("Answer")
