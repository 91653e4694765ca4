"""VQA-RAD: questions of physicians about radiology images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.questions import Part, Question, Questions
from frozenvl.util.errors import UserError

Split = Literal["train", "test", "all"]


class VQARADQuestions(Questions):
    """VQA-RAD questions, with one answer each, read from the published `VQA_RAD Dataset Public.json`.

    An answer that the file gives as a number is its digits. The test set has the phrase types that begin with "test",
    as public loaders have it. Labels: answer_type, question_type, phrase_type, image_organ.

    Args:
        annotations: JSON list with qid, image_name, question, answer, answer_type, question_type, phrase_type.
        images: folder of the image files.
        split: split to read.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if the file or the folder is missing, or the layout is another one.
    """

    layout = "VQA-RAD's JSON"

    def __init__(
        self,
        annotations: str,
        images: str,
        split: Split = "all",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        if split not in get_args(Split):
            raise UserError(f"unknown split {split!r}; choose one of {', '.join(get_args(Split))}")
        super().__init__(annotations, images, part, ask_share, split=split)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "qid", "image_name", "question", "phrase_type")

    @classmethod
    def read(cls, file: RecordFile, split: str = "all") -> Iterator[Question]:
        """Yields the questions of a split."""
        for row in file.records():
            own = "test" if row.text("phrase_type").startswith("test") else "train"
            answer = row.text("answer", numbers=True)
            if split in (own, "all"):
                yield Question(
                    id=row.id("qid"),
                    file=row.file("image_name"),
                    text=row.text("question"),
                    references=(answer,),
                    answer=answer,
                    kind=row.labels("answer_type", "question_type", "phrase_type", "image_organ"),
                )
