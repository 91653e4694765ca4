"""A-OKVQA: questions that need world knowledge, with ten direct answers each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frozenvl.data.sources.questions import Part, Question, Questions, image_name, labels, majority
from frozenvl.data.sources.records import one_line, read_annotations


class AOKVQAQuestions(Questions):
    """A-OKVQA questions, read from the official JSON.

    The label `difficult_direct_answer` marks questions that the official evaluation leaves out.

    Args:
        annotations: JSON list with question_id, image_id, question and direct_answers (absent in the test set).
        images: folder of COCO's 2017 images.
        image_name: pattern of the image file names, with the field `{image_id}`.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if the file or the folder is missing, or the layout is another one.
    """

    def __init__(
        self,
        annotations: str,
        images: str,
        image_name: str = "{image_id:012d}.jpg",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        path = Path(annotations)
        rows = _questions(read_annotations(path), image_name)
        super().__init__(path, "A-OKVQA's JSON", images, rows, part, ask_share)


def _questions(records: Any, pattern: str) -> Iterator[Question]:
    for row in records:
        answers = tuple(one_line(answer) for answer in row.get("direct_answers") or ())
        choices = [one_line(choice) for choice in row.get("choices") or ()]
        if choices and "correct_choice_idx" in row:  # not in the test set
            choices.insert(0, choices.pop(row["correct_choice_idx"]))
        yield Question(
            id=str(row["question_id"]),
            file=image_name(pattern, image_id=row["image_id"]),
            text=one_line(row["question"]),
            references=answers,
            answer=majority(answers),
            kind=labels(row, "difficult_direct_answer"),
            choices=tuple(choices) if "correct_choice_idx" in row else (),
        )
