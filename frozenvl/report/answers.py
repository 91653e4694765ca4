"""Galleries of a report: right and wrong answers with their full prompts, and a run's most frequent answers."""

from __future__ import annotations

import io
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image

from frozenvl.report.labels import IMPLIED, words
from frozenvl.report.load import Result, Run
from frozenvl.report.tables import VIEWS
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.files import read_json
from frozenvl.util.imaging import decode

EACH = 4
"""Maximum number of right answers in a gallery; the same for wrong ones and for answers without a score."""
FREQUENT = 5
"""Maximum number of frequent answers."""


@dataclass(frozen=True)
class Picture:
    """An image for the page."""

    uri: str
    """Data URI with the image; empty if the image cannot be read."""
    name: str
    """Path below the folder of the evaluation."""
    size: tuple[int, int] = (0, 0)
    """Width and height in pixels."""


@dataclass(frozen=True)
class Answer:
    """A query with its full prompt and the model's answer."""

    id: str
    right: float | None
    """Score from 0 to 1; None for metrics that do not score a single answer."""
    turns: tuple[tuple[Picture | None, str], ...]
    """Prompt: each image with the text up to the next image."""
    text: str
    """Answer of the model."""
    references: tuple[tuple[str, int], ...]
    """Reference answers and how often each is given, most frequent first."""
    candidates: tuple[tuple[str, float], ...] = ()
    """Candidates that the answer was chosen from, best first, each with its log-probability (or calibrated value)."""

    @property
    def examples(self) -> int:
        """Number of demonstrations before the query. Text before the first image, such as an induction, is not one."""
        return sum(image is not None for image, _ in self.turns[:-1])


@dataclass(frozen=True)
class Gallery:
    """Answers of a run at one setting."""

    run: str
    detail: str
    """Setting and view in words."""
    answers: tuple[Answer, ...]
    most_said: tuple[tuple[str, float], ...]
    """Most frequent answers and their share of all answers."""


def gallery_of(run: Run, benchmark: str) -> Gallery | None:
    """Returns a run's gallery of a benchmark, in the view and the setting that show most; None if it has no answers.

    That is the view that shows most of the image, then the setting with the longest prompt.

    Raises:
        UserError: if a shown.json is damaged.
    """
    of_benchmark = [result for result in run.results if result.benchmark == benchmark]
    results = [result for result in of_benchmark if (result.folder / "shown.json").is_file()]
    if not results:
        return None
    result = max(results, key=_size)
    predictions = _predictions(result.folder)
    answers = _read_answers(result.folder, predictions)
    plain = {key: value for key, value in result.setting.items() if key not in IMPLIED}
    detail = ", ".join(part for part in (words(plain), result.view) if part)
    return Gallery(run.label, detail, tuple(answers), tuple(_most_said(predictions)))


def _size(result: Result) -> tuple[int, float]:
    """Returns a key that is largest for the first of `VIEWS`, then for the longest prompt."""
    setting = result.setting
    shots = setting.get("shots", setting.get("inner_shots", 0)) * setting.get("ways", 1)
    seeing = -VIEWS.index(result.view) if result.view in VIEWS else -len(VIEWS)
    return (seeing, shots * (1 + setting.get("repeats", 0)))


def picture(path: Path) -> Picture | None:
    """Reads an image file of a run; None if there is none."""
    return _picture(path.parent, path.name) if path.is_file() else None


def _read_answers(folder: Path, predictions: Sequence[dict[str, Any]]) -> list[Answer]:
    path = folder / "shown.json"
    try:
        rows = read_json(path)
        shown = {str(row["id"]) for row in rows}
        records = {key: record for record in predictions if (key := str(record.get("id"))) in shown}
        answers = [_answer(folder, records.get(str(row["id"]), {}) | row) for row in rows]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a shown.json ({error!r}); evaluate the run again") from None
    right = [answer for answer in answers if answer.right is not None and answer.right >= 0.5]
    wrong = [answer for answer in answers if answer.right is not None and answer.right < 0.5]
    rest = [answer for answer in answers if answer.right is None]
    return right[:EACH] + wrong[:EACH] + rest[:EACH]


def _answer(folder: Path, row: dict[str, Any]) -> Answer:
    right = row.get("right")
    texts, values = (row.get(key, ()) for key in ("candidates", "values"))
    candidates = [(str(text).strip(), float(x)) for text, x in zip(texts, values, strict=False)]
    return Answer(
        id=str(row["id"]),
        right=None if right is None else float(right),
        turns=tuple(_turns(folder, row["prompt"])),
        text=str(row["text"]),
        references=tuple(Counter(str(reference) for reference in row.get("references", ())).most_common()),
        candidates=tuple(sorted(candidates, key=lambda candidate: -candidate[1])),
    )


def _turns(folder: Path, prompt: Sequence[dict[str, Any]]) -> Iterator[tuple[Picture | None, str]]:
    image: Picture | None = None
    text = ""
    for part in prompt:
        if "image" in part:
            if image or text:
                yield image, text
            image, text = _picture(folder, str(part["image"])), ""
        else:
            text += str(part["text"])
    yield image, text


def _picture(folder: Path, name: str) -> Picture:
    """Reads an image below a folder. It is decoded and encoded again, so that the page has nothing else of the file."""
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UnreadableImage(f"{path}: not below {folder}")
        image = decode(path, str(path))
    except (UnreadableImage, ValueError):  # ValueError: a path with a NUL character
        return Picture("", name)
    buffer = io.BytesIO()
    drawing = path.suffix.lower() == ".png"
    if drawing:
        image = image.quantize(256, PIL.Image.Quantize.FASTOCTREE)
    image.save(buffer, "PNG" if drawing else "JPEG", quality=85, optimize=True)
    kind = "png" if drawing else "jpeg"
    return Picture(f"data:image/{kind};base64,{b64encode(buffer.getvalue()).decode()}", name, image.size)


def _predictions(folder: Path) -> list[dict[str, Any]]:
    """Reads the rows of an evaluation's predictions.jsonl; none if there is no such file."""
    path = folder / "predictions.jsonl"
    return [row for row in read_json(path) if isinstance(row, dict)] if path.is_file() else []


def _most_said(rows: Sequence[dict[str, Any]]) -> list[tuple[str, float]]:
    texts = Counter(str(row.get("text", "")) for row in rows)
    return [(text, times / len(rows)) for text, times in texts.most_common(FREQUENT) if times > 1]
