"""GQA: compositional questions about photographs of Visual Genome."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.sources.questions import Part, Question, Questions, majority
from frozenvl.data.sources.visual_genome import photograph, read_coco_ids


class GQAQuestions(Questions):
    """GQA questions, with one short answer each, read from a published `*_questions.json`.

    The reference is `answer`, by which GQA is scored, not the sentence `fullAnswer`. The labels `structural` and
    `semantic` are GQA's question types.

    Args:
        questions: JSON object: question id → imageId, question, answer (absent in the test and challenge sets), types.
        images: folder with `<imageId>.jpg`.
        image_data: Visual Genome's `image_data.json`, which tells the photographs that are COCO's (about half).
            Without it, overlaps with data sets on COCO are not detected.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if a file or the folder is missing, or the layout is another one.
    """

    layout = "GQA's questions JSON"

    def __init__(
        self,
        questions: str,
        images: str,
        image_data: str | None = None,
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        super().__init__(questions, images, part, ask_share, image_data=image_data)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        first = next(iter(content.values()), None) if isinstance(content, dict) else None
        return isinstance(first, dict) and "imageId" in first and "question" in first

    @classmethod
    def read(cls, file: RecordFile, image_data: str | None = None) -> Iterator[Question]:
        """Yields the questions of a file."""
        coco_ids = read_coco_ids(image_data)
        for key, row in file.by_key():
            image, answers = row.id("imageId"), row.answers("answer", optional=True)
            yield Question(
                id=key,
                file=f"{image}.jpg",
                text=row.text("question"),
                references=answers,
                answer=majority(answers),
                kind=_types(row),
                # Images whose id begins with "n" are not Visual Genome's.
                photograph="" if image.startswith("n") else photograph(image, coco_ids),
            )


def _types(row: Record) -> dict[str, str]:
    types = row.raw("types")
    names = ("structural", "semantic")
    return {name: str(types[name]) for name in names if types.get(name)} if isinstance(types, dict) else {}
