"""The page: an image and a question on the left, what the models make of it on the right, all options below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from frozenvl.analysis.methods import METHODS
from frozenvl.serve.chat import Chat
from frozenvl.serve.engine import Engine
from frozenvl.serve.events import AT_ONCE, ONE_AT_A_TIME, guarded
from frozenvl.serve.examples import Shown
from frozenvl.serve.fragments import bars_html, header_html, prompt_html
from frozenvl.serve.inputs import Inputs
from frozenvl.serve.question import Question
from frozenvl.serve.theme import panel
from frozenvl.serve.uploads import Uploads, thumbnail
from frozenvl.util.errors import UserError

MAX_FOUND = 12
"""Number of pictures that a search shows."""


class Page:
    """The page.

    Args:
        engines: models, one or two.
        uploads: pictures of the page.
        examples: examples to choose from.
        folder: folder of images that can be searched.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        uploads: Uploads,
        examples: Sequence[Shown] = (),
        folder: Path | None = None,
    ) -> None:
        self.engines, self.uploads, self.examples, self.folder = engines, uploads, examples, folder
        self.searching = [engine for engine in engines if engine.embeds]
        self.inputs = Inputs(uploads)

    def build(self) -> gr.Blocks:
        """Returns the page as Gradio's blocks."""
        names = [engine.name for engine in self.engines]
        with gr.Blocks(title=f"frozenvl: {' · '.join(names)}", analytics_enabled=False) as blocks:
            gr.HTML(header_html(names, [engine.summary for engine in self.engines]))
            with gr.Row():
                with gr.Column(scale=4, min_width=300):
                    self.inputs.place_question()
                with gr.Column(scale=6, min_width=320), gr.Tabs() as tabs:
                    with gr.Tab("Answer", id="answer"):
                        self._place_answers()
                    with gr.Tab("Chat", id="chat"):
                        chat = Chat(self.engines, self.inputs, self.uploads)
                    with gr.Tab("Candidates", id="candidates"):
                        self._place_candidates()
                    with gr.Tab("Explain", id="explain"):
                        self._place_explain()
                    if self.folder is not None:
                        with gr.Tab("Search", id="search"):
                            self._place_search()
            if self.examples:
                self._place_examples()
            with gr.Accordion("Few-shot examples", open=False):
                self.inputs.place_builder()
            with gr.Accordion("Decoding", open=False):
                self.inputs.place_decoding()
            with gr.Accordion("Exact prompt and tokens", open=False) as prompt:
                self._place_prompts()
            with gr.Accordion("Copy as command or Python", open=False) as copy:
                self._place_code()
            chat.connect()
            self._connect(tabs, prompt, copy)
        return blocks

    def _place_answers(self) -> None:
        with gr.Row():
            self.answers = [
                gr.Textbox(
                    "",
                    label=engine.name,
                    lines=3,
                    interactive=False,
                    buttons=["copy"],
                    placeholder="Choose an image, then Ask or Caption.",
                    elem_classes="answer",
                )
                for engine in self.engines
            ]
        self.note = gr.Markdown(elem_classes="note", elem_id="references")

    def _place_candidates(self) -> None:
        self.candidates = gr.Textbox(
            "",
            label="Candidates",
            lines=4,
            placeholder="yes\nno",
            info="One in each line",
            elem_id="candidates",
        )
        self.rank = gr.Button("Rank the candidates", variant="primary")
        with gr.Row():
            self.ranked = [panel(engine.name) for engine in self.engines]

    def _place_explain(self) -> None:
        with gr.Row():
            self.method = gr.Dropdown(list(METHODS), value="occlusion", label="Method")
            self.words = gr.Radio(["each word", "the whole text"], value="each word", label="Maps of")
        self.explained_text = gr.Textbox(
            "", label="Text to explain", placeholder="What the model says", info="An answer or a caption"
        )
        self.explain = gr.Button("Explain", variant="primary")
        with gr.Row():
            self.maps = [
                gr.Image(
                    label=engine.name,
                    interactive=False,
                    format="png",
                    buttons=["download", "fullscreen"],
                    elem_classes="maps",
                )
                for engine in self.engines
            ]

    def _place_search(self) -> None:
        self.search = gr.Textbox(
            "",
            label="Search for",
            placeholder="a dog on the beach",
            info="Empty: pictures like the image",
            elem_id="search",
        )
        self.find = gr.Button("Search", variant="primary")
        with gr.Row():
            self.found = [
                gr.Gallery(
                    label=engine.name,
                    columns=4,
                    height=420,
                    buttons=[],
                    allow_preview=False,
                    object_fit="cover",
                )
                for engine in self.searching
            ]
        self.paths = [gr.State([]) for _ in self.searching]

    def _place_examples(self) -> None:
        self.strip = gr.Gallery(
            [(thumbnail(example.file), example.question or "caption") for example in self.examples],
            label="Examples",
            columns=6,
            height=230,
            fit_columns=False,
            buttons=[],
            allow_preview=False,
            object_fit="cover",
            interactive=False,
            elem_id="examples",
        )

    def _place_prompts(self) -> None:
        self.show_prompt = gr.Button("Show the prompt of the question above", size="sm")
        with gr.Row():
            self.prompts = [panel(engine.name) for engine in self.engines]

    def _place_code(self) -> None:
        self.show_code = gr.Button("Show the code of the question above", size="sm")
        self.codes: list[gr.Code] = []
        with gr.Row():
            for engine in self.engines:
                with gr.Column(min_width=300):
                    languages: tuple[tuple[Any, str], ...] = (("shell", "command"), ("python", "Python"))
                    for language, name in languages:
                        self.codes.append(
                            gr.Code(
                                label=f"{engine.name}: {name}",
                                language=language,
                                interactive=False,
                                wrap_lines=True,
                                lines=1,
                                buttons=["copy"],
                            )
                        )
        gr.Markdown(
            "Run them where the image lies, and with few-shot examples also `shots.yaml` (Save as YAML).",
            elem_classes="note",
        )

    def _connect(self, tabs: gr.Tabs, prompt: gr.Accordion, copy: gr.Accordion) -> None:
        inputs, every = self.inputs, self.inputs.all
        outputs = [*self.answers, *self.prompts, *self.codes]
        about_image = [self.note, *self.answers]
        for trigger in (inputs.image.upload, inputs.image.clear, inputs.question.input):
            trigger(None, None, self.note, js="() => ''")  # the reference belongs to an example
        to_answer = lambda: gr.Tabs(selected="answer")
        for trigger, function in (
            (inputs.ask.click, self._ask),
            (inputs.question.submit, self._ask),
            (inputs.caption.click, self._caption),
        ):
            trigger(to_answer, None, tabs, **AT_ONCE)
            trigger(guarded(function), every, outputs, **ONE_AT_A_TIME)
        for trigger in (self.show_prompt.click, prompt.expand):
            trigger(guarded(self._prompts), every, self.prompts, show_progress="hidden", **ONE_AT_A_TIME)
        for trigger in (self.show_code.click, copy.expand):
            trigger(guarded(self._codes), every, self.codes, **AT_ONCE)
        self.rank.click(
            guarded(self._rank), [self.candidates, *every], [*self.ranked, *self.codes], **ONE_AT_A_TIME
        )
        asked = [self.method, self.words, self.explained_text, *every]
        self.explain.click(guarded(self._explain), asked, self.maps, **ONE_AT_A_TIME)
        if self.examples:
            self.strip.select(
                guarded(self._choose), None, [inputs.question, inputs.image, *about_image], **AT_ONCE
            )
        if self.folder is not None:
            for trigger in (self.find.click, self.search.submit):
                trigger(
                    guarded(self._search),
                    [self.search, inputs.image],
                    [*self.found, *self.paths],
                    **ONE_AT_A_TIME,
                )
            for gallery, paths in zip(self.found, self.paths, strict=True):
                gallery.select(guarded(self._take), paths, [inputs.image, *about_image], **AT_ONCE)

    def _ask(self, *values: Any) -> Iterator[list[Any]]:
        question = self.inputs.read(*values)
        if not question.text:
            raise UserError("the question is empty; write one, or choose Caption")
        yield from self._answered(question)

    def _caption(self, *values: Any) -> Iterator[list[Any]]:
        yield from self._answered(replace(self.inputs.read(*values), text=""))

    def _answered(self, question: Question) -> Iterator[list[Any]]:
        """Yields the answers of the models, one after the other, with the prompts and the code."""
        shown = [*self._shown_prompts(question), *self._shown_codes(question)]
        answers = ["…"] * len(self.engines)
        yield [*answers, *shown]
        for place, engine in enumerate(self.engines):
            answers[place] = engine.answer(question) or "(the answer is empty)"
            yield [*answers, *shown]

    def _shown_prompts(self, question: Question) -> list[str]:
        return [prompt_html(engine.tokens(question)) for engine in self.engines]

    def _shown_codes(self, question: Question) -> list[str]:
        file = self.uploads.file_of(question.image)
        pairs = [(question.as_command(e.path, file), question.as_python(e.path, file)) for e in self.engines]
        return [code for pair in pairs for code in pair]

    def _prompts(self, *values: Any) -> list[str] | str:
        shown = self._shown_prompts(self.inputs.read(*values))
        return shown if len(shown) > 1 else shown[0]

    def _codes(self, *values: Any) -> list[str]:
        return self._shown_codes(self.inputs.read(*values))

    def _rank(self, candidates: str, *values: Any) -> list[str]:
        question = self.inputs.read(*values)
        texts = [line.strip() for line in candidates.splitlines() if line.strip()]
        tables = [bars_html(engine.rank(question, texts)) for engine in self.engines]
        file = self.uploads.file_of(question.image)
        codes = [code for e in self.engines for code in ("", question.ranked_in_python(e.path, file, texts))]
        return [*tables, *codes]

    def _explain(self, method: str, words: str, answer: str, *values: Any) -> list[Any] | Any:
        question = self.inputs.read(*values)
        pictures = [e.explained(question, method, answer.strip(), words == "each word") for e in self.engines]
        return pictures if len(pictures) > 1 else pictures[0]

    def _search(self, text: str, image: str | None) -> list[Any]:
        assert self.folder is not None
        query = text.strip() or self.uploads.image(image)
        hits = [engine.search(self.folder, query, MAX_FOUND) for engine in self.searching]
        galleries = [
            [(thumbnail(hit.path), f"{hit.score:.3f}  {hit.path.name}") for hit in row] for row in hits
        ]
        return [*galleries, *([str(hit.path) for hit in row] for row in hits)]

    def _take(self, paths: list[str], chosen: gr.SelectData) -> list[str]:
        """Makes a picture that was found the image of the question."""
        return self._taken(Path(paths[chosen.index]))

    def _choose(self, chosen: gr.SelectData) -> list[str]:
        """Fills in an example."""
        example = self.examples[chosen.index]
        note = f"Reference: {', '.join(example.references)}" if example.references else ""
        return [example.question, *self._taken(example.file, note)]

    def _taken(self, file: Path, note: str = "") -> list[str]:
        """Returns a picture for the page, a note about it, and empty answers."""
        return [self.uploads.adopt(file), note, *([""] * len(self.answers))]
