"""SLAKE: questions about radiology images, in English and Chinese."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.questions import Part, Question, Questions
from frozenvl.util.errors import UserError

Language = Literal["all", "en", "zh"]


class SlakeQuestions(Questions):
    """SLAKE questions, with one answer each, read from the published `train.json`, `validation.json` or `test.json`.

    Labels: answer_type, content_type, modality, location, base_type, q_lang.

    Args:
        annotations: JSON list with qid, img_name, question, answer, q_lang.
        images: folder with `xmlab<number>/source.jpg`.
        language: language of the questions; "en" leaves out the Chinese ones, and counts them.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if the file or the folder is missing, or the layout is another one.
    """

    layout = "SLAKE's JSON"

    def __init__(
        self,
        annotations: str,
        images: str,
        language: Language = "all",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        if language not in get_args(Language):
            raise UserError(f"unknown language {language!r}; choose one of {', '.join(get_args(Language))}")
        super().__init__(annotations, images, part, ask_share, language=language)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "qid", "img_name", "question", "q_lang")

    @classmethod
    def read(cls, file: RecordFile, language: str = "all") -> Iterator[Question]:
        """Yields the questions in a language."""
        for row in file.records():
            answer = row.text("answer")
            if language not in (own := row.text("q_lang"), "all"):
                file.notes[f"questions in another language ({own}) left out"] += 1
                continue
            yield Question(
                id=row.id("qid"),
                file=row.file("img_name"),
                text=row.text("question"),
                references=(answer,),
                answer=answer,
                kind=row.labels("answer_type", "content_type", "modality", "location", "base_type", "q_lang"),
            )
