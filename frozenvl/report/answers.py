"""Galleries of a report: right and wrong answers with their full prompts, and a run's most frequent answers."""

from __future__ import annotations

import io
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image

from frozenvl.report.labels import IMPLIED, words
from frozenvl.report.load import Result, Run
from frozenvl.report.tables import view_place
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
class Gallery:
    """Answers of a run at one setting."""

    run: str
    detail: str
    """Setting and view in words."""
    answers: list[dict[str, Any]]
    """Right, wrong and unscored answers, as `_answer` returns them."""
    most_said: list[tuple[str, float]]
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
    file = result.folder / "predictions.jsonl"
    predictions = read_json(file) if file.is_file() else []
    texts = Counter(row["text"] for row in predictions)
    most_said = [(text, n / len(predictions)) for text, n in texts.most_common(FREQUENT) if n > 1]
    plain = {key: value for key, value in result.setting.items() if key not in IMPLIED}
    detail = ", ".join(part for part in (words(plain), result.view) if part)
    return Gallery(run.label, detail, _read_answers(result.folder, predictions), most_said)


def _size(result: Result) -> tuple[int, float]:
    """Returns a key that is largest for the first of `VIEWS`, then for the longest prompt."""
    setting = result.setting
    shots = setting.get("shots", setting.get("inner_shots", 0)) * setting.get("ways", 1)
    return -view_place(result.view), shots * (1 + setting.get("repeats", 0))


def _read_answers(folder: Path, predictions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    path = folder / "shown.json"
    records = {row.get("id"): row for row in predictions}
    try:
        answers = [_answer(folder, records.get(row["id"], {}) | row) for row in read_json(path)]
        right = [answer for answer in answers if answer["right"] is not None and answer["right"] >= 0.5]
        wrong = [answer for answer in answers if answer["right"] is not None and answer["right"] < 0.5]
        rest = [answer for answer in answers if answer["right"] is None]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a shown.json ({error!r}); evaluate the run again") from None
    return right[:EACH] + wrong[:EACH] + rest[:EACH]


def _answer(folder: Path, row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row of shown.json and predictions.jsonl as the page shows it.

    `turns` has each image of the prompt with the text up to the next image, `references` each text with how often it is
    given, and `candidates` each text with its log-probability (or calibrated value), best first.
    """
    pairs = zip(row.get("candidates", ()), row.get("values", ()), strict=False)
    return {
        **{key: row[key] for key in ("id", "right", "text")},
        "turns": _turns(folder, row["prompt"]),
        "references": Counter(row["references"]).most_common(),
        "candidates": sorted(((text.strip(), value) for text, value in pairs), key=lambda pair: -pair[1]),
    }


def _turns(folder: Path, prompt: Sequence[dict[str, Any]]) -> list[tuple[Picture | None, str]]:
    turns: list[tuple[Picture | None, str]] = [(None, "")]
    for part in prompt:
        if "image" in part:
            turns.append((picture(folder, part["image"]), ""))
        else:
            image, text = turns[-1]
            turns[-1] = image, text + part["text"]
    return turns[1:] if turns[0] == (None, "") and len(turns) > 1 else turns


def picture(folder: Path, name: str) -> Picture:
    """Reads an image below a folder. It is decoded and encoded again, so that the page has nothing else of the file."""
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UnreadableImage(f"{path}: not below {folder}")
        image = decode(path, str(path))
    except (UnreadableImage, ValueError):  # ValueError: a path with a NUL character
        return Picture("", name)
    buffer = io.BytesIO()
    kind = "png" if path.suffix.lower() == ".png" else "jpeg"
    if kind == "png":
        image = image.quantize(256, PIL.Image.Quantize.FASTOCTREE)
    image.save(buffer, kind, quality=85, optimize=True)
    return Picture(f"data:image/{kind};base64,{b64encode(buffer.getvalue()).decode()}", name, image.size)
