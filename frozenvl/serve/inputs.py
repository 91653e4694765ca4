"""`Inputs`: what the page asks about: the image and the question, few-shot examples, and decoding options."""

from __future__ import annotations

from typing import Any

import gradio as gr

from frozenvl.serve.builder import Builder
from frozenvl.serve.question import Question
from frozenvl.serve.uploads import Uploads, picture
from frozenvl.util.decoding import Decoding

MAX_NEW_TOKENS = 256
"""Largest length on the page, in tokens."""


class Inputs:
    """Components that all tabs read. Each part is placed on the page by a method.

    Args:
        uploads: pictures of the page.
    """

    def __init__(self, uploads: Uploads) -> None:
        self.uploads = uploads

    def place_question(self) -> None:
        """Places the image, the question and the two buttons."""
        self.image = picture(
            "Image", height=300, placeholder="Drop, paste or choose an image", elem_id="image"
        )
        self.question = gr.Textbox(
            "",
            label="Question",
            placeholder="What is in the picture?",
            lines=1,
            max_lines=4,
            elem_id="question",
        )
        with gr.Row():
            self.ask = gr.Button("Ask", variant="primary", elem_id="ask", min_width=100)
            self.caption = gr.Button("Caption", elem_id="caption", min_width=100)

    def place_builder(self) -> None:
        """Places the few-shot examples."""
        self.builder = Builder(self.uploads)

    def place_decoding(self) -> None:
        """Places the decoding options."""
        with gr.Row():
            self.length = gr.Slider(1, MAX_NEW_TOKENS, 32, step=1, label="Maximum length (tokens)")
            self.beams = gr.Slider(1, 10, 1, step=1, label="Beams", info="1: no beam search")
        with gr.Row():
            self.temperature = gr.Slider(
                0, 2, 0, step=0.05, label="Temperature", info="0: the most likely token"
            )
            self.top_p = gr.Slider(0.05, 1, 1, step=0.05, label="Top-p", info="With a temperature above 0")
            self.seed = gr.Number(0, precision=0, label="Seed of sampling")

    @property
    def decoding(self) -> list[gr.components.Component]:
        """Components of the decoding options."""
        return [self.length, self.beams, self.temperature, self.top_p, self.seed]

    @property
    def all(self) -> list[gr.components.Component]:
        """Components whose values `read` takes."""
        return [self.image, self.question, *self.decoding, *self.builder.inputs]

    def read(self, image: str | None, question: str, *values: Any) -> Question:
        """Returns the question.

        Raises:
            UserError: if there is no image, it cannot be used, a few-shot example is incomplete, or options do not fit.
        """
        length, beams, temperature, top_p, seed, *rows = values
        decoding = Decoding(int(length), int(beams), float(temperature), float(top_p), int(seed or 0))
        shots = self.builder.shots(*rows)
        return Question(
            self.uploads.image(image), question.strip(), shots.examples, shots.induction, decoding
        )
