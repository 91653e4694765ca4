"""Examples of a page: pictures and questions that a run was evaluated on, or the first pictures of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from frozenvl.evaluation.score_file import score_files
from frozenvl.retrieval.image_files import image_files
from frozenvl.training.trained_run import run_folder
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json, read_lines

MAX_EXAMPLES = 12
"""Number of examples on a page."""


class Shown(NamedTuple):
    """An example of a page."""

    file: Path
    """The picture."""
    question: str = ""
    """Question about it; empty if a caption was asked for."""
    references: tuple[str, ...] = ()
    """Annotators' answers or captions."""


def examples_of(path: Path, folder: Path | None = None) -> list[Shown]:
    """Returns examples: those that a run's evaluations show, or the first pictures of a folder if there are none.

    Args:
        path: checkpoint, folder of a run, or exported folder.
        folder: folder of images.
    """
    evaluations = [list(_of_evaluation(file.parent)) for file in score_files(run_folder(path))]
    # One of each evaluation in turn, so that captions and questions are among the first.
    rows = [row for row in chain.from_iterable(zip_longest(*evaluations)) if row]
    known: dict[bytes, Shown] = {}
    for row in rows:
        known.setdefault(row.file.read_bytes(), row)
    if not known and folder is not None:
        return [Shown(file) for file in islice(image_files([folder]), MAX_EXAMPLES)]
    return list(known.values())[:MAX_EXAMPLES]


def _of_evaluation(folder: Path) -> Iterator[Shown]:
    """Yields the examples that an evaluation shows. Damaged files show none: the page works without them."""
    with suppress(UserError, KeyError, TypeError, AttributeError):
        rows = {str(row["id"]): row for row in read_json(folder / "shown.json")[: 2 * MAX_EXAMPLES]}
        questions = _questions(folder / "predictions.jsonl", rows)
        for key, row in rows.items():
            names = [part["image"] for part in row["prompt"] if "image" in part]
            file = folder / names[-1] if names else folder
            if file.is_file() and file.resolve().is_relative_to(folder.resolve()):
                yield Shown(file, questions.get(key, ""), tuple(dict.fromkeys(row["references"])))


def _questions(file: Path, wanted: dict[str, Any]) -> dict[str, str]:
    """Returns the questions of predictions by id."""
    rows = (row for row in read_lines(file) if str(row.get("id")) in wanted)
    return {str(row["id"]): row.get("question") or "" for row in rows}
