"""VizWiz: questions of blind people about their own photographs, with ten answers each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.questions import Part, Question, Questions, majority

UNANSWERABLE = "unanswerable"
"""Answer of annotators who cannot answer the question."""


class VizWizQuestions(Questions):
    """VizWiz questions, read from the published JSON. A question's id is its image file: each image has one question.

    "unanswerable" is an answer like any other, as in the official evaluation. The training answer is the most frequent
    one; if others are as frequent as "unanswerable", the first of these.

    Args:
        annotations: JSON list with image, question, answers (answer, answer_confidence), answer_type and answerable;
            the test set has image and question only.
        images: folder of the image files.
        skip_unanswerable: leave out questions whose training answer is "unanswerable", or that are labelled so
            (`answerable` 0), and count them.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if the file or the folder is missing, or the layout is another one.
    """

    layout = "VizWiz's VQA JSON"

    def __init__(
        self,
        annotations: str,
        images: str,
        skip_unanswerable: bool = False,
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        super().__init__(annotations, images, part, ask_share, skip_unanswerable=skip_unanswerable)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        if not has_fields(content, "image", "question") or "question_id" in content[0]:
            return False
        answered = has_fields(content[0].get("answers"), "answer")
        return answered or str(content[0]["image"]).startswith("VizWiz_")

    @classmethod
    def read(cls, file: RecordFile, skip_unanswerable: bool = False) -> Iterator[Question]:
        """Yields the questions of a file."""
        for row in file.records():
            if "question_id" in row.data:
                raise file.refused("its questions have ids: 'question_id'")
            answers = row.answers("answers", optional=True)
            best = majority(sorted(answers, key=lambda answer: answer == UNANSWERABLE))
            question = Question(
                id=row.id("image"),
                file=row.file("image"),
                text=row.text("question"),
                references=answers,
                answer=best,
                kind=row.labels("answer_type", "answerable"),
            )
            if skip_unanswerable and (best == UNANSWERABLE or row.raw("answerable") in (0, "0")):
                file.notes["unanswerable questions left out"] += 1
            else:
                yield question
