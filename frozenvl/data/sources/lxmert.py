"""VQA v2 and OK-VQA in LXMERT's layout, with soft scores instead of annotators' answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import described, has_fields, one_line
from frozenvl.data.sources.questions import Part, Question, Questions, image_name


class LxmertQuestions(Questions):
    """Questions with soft scores in LXMERT's layout. References are the scored answers, best first.

    A question without a scored answer is not trained on.

    Args:
        annotations: JSON list with sent, question_id, img_id and label ({answer: score from 0 to 1}).
        images: folder of the image files.
        image_name: pattern of the image file names, with the field `{img_id}`.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if the file or the folder is missing, or the layout is another one.
    """

    layout = "LXMERT's JSON"

    def __init__(
        self,
        annotations: str,
        images: str,
        image_name: str = "{img_id}.jpg",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        super().__init__(annotations, images, part, ask_share, pattern=image_name)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "sent", "img_id", "question_id")

    @classmethod
    def read(cls, file: RecordFile, pattern: str = "{img_id}") -> Iterator[Question]:
        """Yields the questions of a file."""
        for row in file.records():
            scores = _scores(row)
            ranked = sorted((answer for answer in scores if answer), key=lambda answer: -scores[answer])
            yield Question(
                id=row.id("question_id"),
                file=image_name(pattern, row, "img_id"),
                text=row.text("sent"),
                references=tuple(ranked),
                answer=ranked[0] if ranked else "",
                kind=row.labels("answer_type", "question_type"),
                scores=scores,
            )


def _scores(row: Record) -> dict[str, float]:
    """Returns the soft scores of a question: answer → score from 0 to 1."""
    label, scores = row.raw("label"), {}
    if label is None:
        row.withheld("label")
        return {}
    if not isinstance(label, dict):
        row.problem(f"'label' is {described(label)}, not an object of answer and score")
        return {}
    for answer, score in label.items():
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            row.problem(f"the score of {answer[:40]!r} is {described(score)}, not a number from 0 to 1")
        else:
            scores[one_line(answer)] = float(score)
    return scores
