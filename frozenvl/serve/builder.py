"""`Builder`: few-shot examples on the page: rows of an image, a question and an answer, in the order of the prompt."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from frozenvl.data.shots_file import Shots, parse_shots, shots_text
from frozenvl.prompt import Example, StoredImage
from frozenvl.serve.events import AT_ONCE, guarded
from frozenvl.serve.question import SHOTS_FILE
from frozenvl.serve.uploads import Uploads, checked, picture
from frozenvl.util.errors import UserError
from frozenvl.util.text_files import as_text

MAX_SHOTS = 8
"""Number of rows."""


class Row(NamedTuple):
    """Values of a row."""

    image: str | None = None
    """Path of the picture."""
    question: str = ""
    answer: str = ""


class Builder:
    """Rows of few-shot examples, of which the first ones are in use.

    Args:
        uploads: pictures of the page.
    """

    def __init__(self, uploads: Uploads) -> None:
        self.uploads = uploads
        gr.Markdown(
            "Each example stands in front of the question, in this order. Leave the question empty for a caption.",
            elem_classes="note",
        )
        self.induction = gr.Textbox(
            "",
            label="Task induction",
            placeholder="Answer with one word.",
            info="Text at the start of the prompt",
        )
        self.used = gr.State(0)
        self.groups: list[gr.Column] = []
        self.cells: list[gr.components.Component] = []
        tools = [self._row(number) for number in range(MAX_SHOTS)]
        with gr.Row(elem_classes="tools"):
            add = gr.Button("Add an example", size="sm")
            load = gr.UploadButton(
                "Load YAML", size="sm", file_count="multiple", file_types=[".yaml", ".yml", "image"]
            )
            save = gr.Button("Save as YAML", size="sm")
            clear = gr.Button("Remove all", size="sm")
        saved = gr.DownloadButton("Download", visible="hidden", elem_id="saved-shots")
        every, shown = [self.used, *self.cells], [self.used, *self.groups, *self.cells]
        add.click(guarded(self._add), every, shown, **AT_ONCE)
        clear.click(lambda: [*self._filled([]), ""], None, [*shown, self.induction], **AT_ONCE)
        load.upload(guarded(self._load), load, [*shown, self.induction], **AT_ONCE)
        save.click(guarded(self._save), self.inputs, saved, **AT_ONCE).success(
            None, js="() => document.querySelector('#saved-shots').click()"
        )
        for number, (up, down, remove) in enumerate(tools):
            up.click(partial(self._move, number, -1), every, shown, **AT_ONCE)
            down.click(partial(self._move, number, 1), every, shown, **AT_ONCE)
            remove.click(partial(self._remove, number), every, shown, **AT_ONCE)

    @property
    def inputs(self) -> list[gr.components.Component]:
        """Components whose values `shots` takes."""
        return [self.induction, self.used, *self.cells]

    def _row(self, number: int) -> tuple[gr.Button, gr.Button, gr.Button]:
        with gr.Column(visible=False, elem_id=f"shot-{number + 1}") as group, gr.Row():
            image = picture(
                f"Image of example {number + 1}", height=150, min_width=150, placeholder="Drop or paste"
            )
            with gr.Column(scale=3, min_width=180):
                question = gr.Textbox("", label=f"Question {number + 1}", lines=1, max_lines=3)
                answer = gr.Textbox("", label=f"Answer or caption {number + 1}", lines=1, max_lines=3)
            with gr.Column(scale=0, min_width=90, elem_classes="tools"):
                buttons = (
                    gr.Button("Up", size="sm"),
                    gr.Button("Down", size="sm"),
                    gr.Button("Remove", size="sm"),
                )
        self.groups.append(group)
        self.cells += [image, question, answer]
        return buttons

    def shots(self, induction: str, used: int, *cells: Any) -> Shots:
        """Returns the examples of the rows.

        Raises:
            UserError: if a row lacks an image or an answer.
        """
        examples = []
        for number, row in enumerate(_rows(used, cells), 1):
            if not row.image or not row.answer.strip():
                missing = "a text" if row.image else "an image"
                raise UserError(f"few-shot example {number} needs {missing}; fill it in, or remove the row")
            image = self.uploads.image(row.image)
            examples.append(
                Example(
                    image.name, image, image.name, question=row.question.strip(), answer=row.answer.strip()
                )
            )
        return Shots(tuple(examples), induction.strip())

    def _filled(self, rows: Sequence[Row]) -> list[Any]:
        """Returns the number of rows, the visibility of each, and the values of all cells."""
        groups = [gr.Column(visible=place < len(rows)) for place in range(MAX_SHOTS)]
        whole = [*rows, *[Row()] * (MAX_SHOTS - len(rows))]
        return [len(rows), *groups, *(value for row in whole for value in row)]

    def _add(self, used: int, *cells: Any) -> list[Any]:
        if used == MAX_SHOTS:
            raise UserError(
                f"there are {MAX_SHOTS} examples, which is all that the page holds; remove one first"
            )
        return self._filled([*_rows(used, cells), Row()])

    def _move(self, number: int, by: int, used: int, *cells: Any) -> list[Any]:
        rows = _rows(used, cells)
        place = number + by
        if number < used and 0 <= place < used:
            rows[number], rows[place] = rows[place], rows[number]
        return self._filled(rows)

    def _remove(self, number: int, used: int, *cells: Any) -> list[Any]:
        rows = _rows(used, cells)
        return self._filled(rows[:number] + rows[number + 1 :])

    def _save(self, induction: str, used: int, *cells: Any) -> str:
        """Writes the examples with their images to a file, and returns it."""
        shots = self.shots(induction, used, *cells)
        if not shots.examples and not shots.induction:
            raise UserError("there is no example to save; add one")
        images = [example.image for example in shots.examples]
        contents = [image.load() for image in images if isinstance(image, StoredImage)]
        file = Path(tempfile.mkdtemp(dir=self.uploads.folder)) / SHOTS_FILE
        file.write_text(shots_text(shots.examples, contents, shots.induction), encoding="utf-8")
        return str(file)

    def _load(self, files: list[str]) -> list[Any]:
        """Reads examples from a file and, unless it holds them, from image files that came with it."""
        paths = [Path(file) for file in files]
        texts = [path for path in paths if path.suffix in (".yaml", ".yml")]
        if len(texts) != 1:
            raise UserError("choose one YAML file, and the images that it names unless it holds them")
        given = {path.name: path for path in paths if path not in texts}

        def image_of(name: str) -> StoredImage:
            # Only files that came with it: the text must not name files of the server.
            path = given.get(Path(name).name)
            if path is None:
                raise UserError(f"{name}: not among the chosen files; choose it together with the YAML file")
            return self.uploads.image(str(path))

        shots = parse_shots(as_text(texts[0].read_bytes(), Path(texts[0].name)), texts[0].name, image_of)
        if len(shots.examples) > MAX_SHOTS:
            raise UserError(f"{texts[0].name}: {len(shots.examples)} examples; the page holds {MAX_SHOTS}")
        rows = [self._row_of(example) for example in shots.examples]
        return [*self._filled(rows), shots.induction]

    def _row_of(self, example: Example) -> Row:
        image = example.image
        assert isinstance(image, StoredImage)
        data = image.load()
        checked(image.name, data)
        return Row(self.uploads.keep(image.name, data), example.question, example.answer)


def _rows(used: int, cells: Sequence[Any]) -> list[Row]:
    return [Row(*cells[place : place + 3]) for place in range(0, 3 * used, 3)]
