"""A-OKVQA: questions that need world knowledge, with ten direct answers each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.questions import Part, Question, Questions, image_name, majority


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

    layout = "A-OKVQA's JSON"

    def __init__(
        self,
        annotations: str,
        images: str,
        image_name: str = "{image_id:012d}.jpg",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        super().__init__(annotations, images, part, ask_share, pattern=image_name)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "question_id", "image_id", "choices", "question")

    @classmethod
    def read(cls, file: RecordFile, pattern: str = "{image_id}") -> Iterator[Question]:
        """Yields the questions of a file."""
        for row in file.records():
            answers = row.answers("direct_answers", optional=True)
            choices = list(row.texts("choices", optional=True))
            correct = None if row.withheld("correct_choice_idx") else row.raw("correct_choice_idx")
            if correct is not None and not (type(correct) is int and 0 <= correct < len(choices)):
                row.problem(f"'correct_choice_idx' is {correct!r:.20}, but there are {len(choices)} choices")
            elif correct is not None:
                choices.insert(0, choices.pop(correct))
            yield Question(
                id=row.id("question_id"),
                file=image_name(pattern, row, "image_id"),
                text=row.text("question"),
                references=answers,
                answer=majority(answers),
                kind=row.labels("difficult_direct_answer"),
                choices=tuple(choices) if correct is not None else (),
            )
