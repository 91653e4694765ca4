"""ScienceQA: multiple-choice questions of school books."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.sources.questions import Part, Question, Questions
from frozenvl.util.errors import UserError

Split = Literal["train", "val", "test", "all"]


class ScienceQAQuestions(Questions):
    """ScienceQA questions that have an image, read from the published `problems.json`.

    Questions without an image are left out and counted. The text is the question alone, without `hint` and `lecture`.
    Choices begin with the correct one, which is the answer. The label `subject` is ScienceQA's.

    Args:
        problems: JSON object: question id → question, choices, answer (index of the correct choice), image, split.
        images: folder with `<split>/<question id>/<image>`.
        split: split to read.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if the file or the folder is missing, the layout is another one, or the split has no question with
            an image.
    """

    layout = "ScienceQA's problems.json"

    def __init__(
        self,
        problems: str,
        images: str,
        split: Split = "train",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        if split not in get_args(Split):
            raise UserError(f"unknown split {split!r}; choose one of {', '.join(get_args(Split))}")
        super().__init__(problems, images, part, ask_share, split=split)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        first = next(iter(content.values()), None) if isinstance(content, dict) else None
        return isinstance(first, dict) and {"question", "choices", "answer", "image"} <= first.keys()

    @classmethod
    def read(cls, file: RecordFile, split: str = "all") -> Iterator[Question]:
        """Yields the questions of a split that have an image."""
        for key, row in file.by_key():
            own, choices = row.text("split"), _choices(row)
            if split not in (own, "all"):
                continue
            if "image" in row.data and row.raw("image") is None:
                file.notes["questions without an image left out"] += 1
                continue
            yield Question(
                id=key,
                file=f"{own}/{key}/{row.file('image')}",
                text=row.text("question"),
                references=choices[:1],
                answer=choices[0] if choices else "",
                kind=row.labels("subject"),
                choices=choices,
            )


def _choices(row: Record) -> tuple[str, ...]:
    """Returns the choices of a question, the correct one first."""
    choices, correct = list(row.texts("choices")), row.raw("answer")
    if type(correct) is not int or not 0 <= correct < len(choices):
        row.problem(f"'answer' is {correct!r:.20}, not the index of one of {len(choices)} choices")
        return ()
    return (choices.pop(correct), *choices)
