"""LLaVA's question files: the questions of GQA, VQA v2, POPE and others as JSON Lines, without answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.llava_turns import numbered
from frozenvl.data.sources.questions import Part, Question, Questions


class LlavaEvalQuestions(Questions):
    """Questions without answers in the layout of LLaVA's evaluation: `llava_gqa_testdev_balanced.jsonl` and others.

    The text is the question with the instruction that follows it in the file, such as "Answer the question using a
    single word or phrase.". They can be asked, but not trained on or scored here. Where ids repeat, as in the file of
    TextVQA, the second is `<id>#2`. The label `category` is the file's.

    Args:
        questions: JSON Lines with question_id, image, text and category.
        images: folder that the image names start from.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if the file or the folder is missing, or the layout is another one.
    """

    layout = "LLaVA's question file"

    def __init__(self, questions: str, images: str, part: Part = "all", ask_share: float = 0.5) -> None:
        super().__init__(questions, images, part, ask_share)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "question_id", "image", "text")

    @classmethod
    def read(cls, file: RecordFile) -> Iterator[Question]:
        """Yields the questions of a file."""
        seen: Counter[str] = Counter()
        for row in file.records():
            key = numbered(file, row.id("question_id"), seen)
            yield Question(key, row.file("image"), row.text("text"), (), "", row.labels("category"))
