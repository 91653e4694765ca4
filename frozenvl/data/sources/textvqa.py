"""TextVQA: questions about text in photographs, with ten answers each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.questions import Part, Question, Questions, image_name, majority


class TextVQAQuestions(Questions):
    """TextVQA questions, read from the published JSON.

    Args:
        annotations: JSON file with `data`: question_id, image_id, question, answers (absent in the test set).
        images: folder of the image files.
        image_name: pattern of the image file names, with the field `{image_id}`.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if the file or the folder is missing, or the layout is another one.
    """

    layout = "TextVQA's JSON"

    def __init__(
        self,
        annotations: str,
        images: str,
        image_name: str = "{image_id}.jpg",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        super().__init__(annotations, images, part, ask_share, pattern=image_name)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return isinstance(content, dict) and has_fields(
            content.get("data"), "question_id", "image_id", "question"
        )

    @classmethod
    def read(cls, file: RecordFile, pattern: str = "{image_id}.jpg") -> Iterator[Question]:
        """Yields the questions of a file."""
        for row in file.records("data"):
            answers = row.answers("answers", optional=True)
            yield Question(
                id=row.id("question_id"),
                file=image_name(pattern, row, "image_id"),
                text=row.text("question"),
                references=answers,
                answer=majority(answers),
                kind={},
            )
