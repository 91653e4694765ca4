"""The tab of conversations: several turns, with images, whose replies come word by word."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import gradio as gr

from frozenvl.model.conversation import Conversation
from frozenvl.prompt import Image, Prompt, Turn
from frozenvl.serve.engine import Engine
from frozenvl.serve.events import AT_ONCE, ONE_AT_A_TIME, guarded
from frozenvl.serve.inputs import Inputs
from frozenvl.serve.uploads import Uploads
from frozenvl.util.errors import UserError

SESSION_SECONDS = 3600
"""Seconds after which a conversation that nobody goes on with is forgotten, with its KV cache."""


class Talk:
    """A visitor's conversation with each model."""

    def __init__(self, conversations: Sequence[Conversation]) -> None:
        self.conversations = tuple(conversations)
        self.stopped = threading.Event()
        """Set when the reply under way is not wanted any more."""
        self.paths: dict[str, str] = {}
        """Digest of each image that was shown → its file."""

    def messages(self, turn: Turn) -> list[dict[str, Any]]:
        """Returns a turn as messages of a chatbot."""
        parts = [
            {"path": self.paths[part.digest]} if isinstance(part, Image) else str(part)
            for part in turn.message
            if isinstance(part, Image | str)
        ]
        said = [{"role": "user", "content": part} for part in parts]
        return [*said, {"role": "assistant", "content": turn.reply or "(empty)"}]


class Chat:
    """The tab.

    Args:
        engines: models.
        inputs: inputs of the page, of which the first message shows the image.
        uploads: pictures of the page.
    """

    def __init__(self, engines: Sequence[Engine], inputs: Inputs, uploads: Uploads) -> None:
        self.engines, self.inputs, self.uploads = engines, inputs, uploads
        self.talk = gr.State(None, time_to_live=SESSION_SECONDS)
        with gr.Row():
            self.boxes = [
                gr.Chatbot(
                    label=engine.name,
                    height=380,
                    layout="bubble",
                    buttons=["copy"],
                    render_markdown=False,
                    feedback_options=None,
                    placeholder="The first message shows the image on the left, unless it brings its own.",
                    elem_classes="chat",
                )
                for engine in engines
            ]
        self.message = gr.MultimodalTextbox(
            label="Message",
            show_label=False,
            placeholder="Write a message; paste or attach images",
            sources=["upload"],
            file_types=["image"],
            file_count="multiple",
            elem_id="message",
        )
        with gr.Row(elem_classes="tools"):
            self.stop = gr.Button("Stop", size="sm")
            self.undo = gr.Button("Undo", size="sm")
            self.new = gr.Button("New conversation", size="sm")
        self.system = gr.Textbox(
            "",
            label="System message",
            info="For the next new conversation. Replies are the most likely ones.",
        )

    def connect(self) -> None:
        """Connects the buttons, once all inputs of the page are placed."""
        inputs = self.inputs
        asked = [self.talk, self.message, self.system, inputs.image, inputs.length, *inputs.builder.inputs]
        self.message.submit(
            guarded(self._say), asked, [self.talk, self.message, *self.boxes], **ONE_AT_A_TIME
        )
        self.stop.click(self._stop, self.talk, None, **AT_ONCE)
        self.undo.click(guarded(self._undo), self.talk, [self.message, *self.boxes], **ONE_AT_A_TIME)
        for trigger in (self.new.click, *(box.clear for box in self.boxes)):
            trigger(self._new, self.talk, [self.talk, self.message, *self.boxes], **AT_ONCE)

    def _say(
        self,
        talk: Talk | None,
        message: dict[str, Any],
        system: str,
        image: str | None,
        length: float,
        *rows: Any,
    ) -> Iterator[list[Any]]:
        """Says a message to each model in turn, and yields the conversations so far."""
        text, files = message["text"].strip(), list(message["files"])
        if not text and not files:
            raise UserError("the message is empty; write a text or attach an image")
        shots = self.inputs.builder.shots(*rows)
        talk = talk or Talk([engine.model.chat(engine.processor, system=system) for engine in self.engines])
        talk.stopped.clear()
        if not files and image and not talk.paths:
            files = [image]
        images = [self.uploads.image(file) for file in files]
        talk.paths |= {part.digest: file for part, file in zip(images, files, strict=True)}
        said = (*images, *([text] if text else []))
        pending = ["…" for _ in self.engines]
        yield [talk, gr.MultimodalTextbox(value=None), *self._boxes(talk, said, pending)]
        for place, conversation in enumerate(talk.conversations):
            conversation.shots, conversation.max_new_tokens = shots.examples, int(length)
            reply = ""
            with closing(conversation.stream(*said)) as pieces:
                for piece in pieces:
                    reply += piece
                    pending[place] = reply
                    # The message is left as it is: its next one may be half written.
                    yield [talk, gr.skip(), *self._boxes(talk, said, pending)]
                    if talk.stopped.is_set():
                        break
            pending[place] = ""
            if talk.stopped.is_set():
                for later in talk.conversations[place + 1 :]:
                    later.turns += (Turn(said, ""),)  # so that it knows the message, and the images in it
                break
        yield [talk, gr.skip(), *self._boxes(talk, said, [""] * len(pending))]

    def _boxes(self, talk: Talk, said: Prompt, pending: Sequence[str]) -> list[list[dict[str, Any]]]:
        """Returns the conversations, with the message and the replies that are not part of their turns yet."""
        return [
            [
                message
                for turn in conversation.turns + ((Turn(said, reply),) if reply else ())
                for message in talk.messages(turn)
            ]
            for conversation, reply in zip(talk.conversations, pending, strict=True)
        ]

    def _stop(self, talk: Talk | None) -> None:
        if talk is not None:
            talk.stopped.set()

    def _undo(self, talk: Talk | None) -> list[Any]:
        """Takes back the last turn, and puts its text into the message again."""
        if talk is None:
            raise UserError("there is no turn to undo")
        # A model that could not read the last message has a turn less.
        longest = max(len(conversation.turns) for conversation in talk.conversations)
        undone = [c.undo() for c in talk.conversations if len(c.turns) == longest]
        text = "".join(part for part in undone[0].message if isinstance(part, str))
        if longest == 1:
            talk.paths.clear()
        return [{"text": text, "files": []}, *self._boxes(talk, (), [""] * len(self.engines))]

    def _new(self, talk: Talk | None) -> list[Any]:
        self._stop(talk)
        return [None, None, *([] for _ in self.engines)]
