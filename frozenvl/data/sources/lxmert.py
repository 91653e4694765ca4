"""VQA v2 and OK-VQA in LXMERT's layout, with soft scores instead of annotators' answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frozenvl.data.sources.questions import Part, Question, Questions, image_name, labels
from frozenvl.data.sources.records import one_line, read_annotations


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

    def __init__(
        self,
        annotations: str,
        images: str,
        image_name: str = "{img_id}.jpg",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        path = Path(annotations)
        rows = _questions(read_annotations(path), image_name)
        super().__init__(path, "LXMERT's JSON", images, rows, part, ask_share)


def _questions(records: Any, pattern: str) -> Iterator[Question]:
    for row in records:
        scores = {one_line(answer): float(score) for answer, score in row.get("label", {}).items()}
        ranked = sorted((answer for answer in scores if answer), key=lambda answer: -scores[answer])
        yield Question(
            id=str(row["question_id"]),
            file=image_name(pattern, img_id=row["img_id"]),
            text=one_line(row["sent"]),
            references=tuple(ranked),
            answer=ranked[0] if ranked else "",
            kind=labels(row, "answer_type", "question_type"),
            scores=scores,
        )
