"""Visual7W: multiple-choice questions about photographs of Visual Genome ("telling" questions)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.questions import Part, Question, Questions
from frozenvl.data.sources.visual_genome import photograph, read_coco_ids
from frozenvl.util.errors import UserError

Split = Literal["train", "val", "test", "all"]


class Visual7WQuestions(Questions):
    """Visual7W's telling questions, read from the published `dataset_v7w_telling.json`.

    Choices begin with the correct one, which is the answer. The label `type` is the question's first word.

    Args:
        questions: JSON file with `images`: filename, split, qa_pairs (qa_id, image_id, question, answer,
            multiple_choices, which are the wrong ones, type).
        images: folder of the image files.
        split: split to read.
        image_data: Visual Genome's `image_data.json`, which tells the photographs that are COCO's. Without it, overlaps
            with data sets on COCO are not detected.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if a file or the folder is missing, or the layout is another one, such as the one of the pointing
            questions, whose answers are boxes.
    """

    layout = "Visual7W's dataset_v7w_telling.json"

    def __init__(
        self,
        questions: str,
        images: str,
        split: Split = "train",
        image_data: str | None = None,
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        if split not in get_args(Split):
            raise UserError(f"unknown split {split!r}; choose one of {', '.join(get_args(Split))}")
        super().__init__(questions, images, part, ask_share, split=split, image_data=image_data)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        telling = isinstance(content, dict) and "boxes" not in content
        return telling and has_fields(content.get("images"), "qa_pairs", "filename")

    @classmethod
    def read(cls, file: RecordFile, split: str = "all", image_data: str | None = None) -> Iterator[Question]:
        """Yields the questions of a split."""
        if isinstance(file.content, dict) and "boxes" in file.content:
            raise file.refused("it has pointing questions, whose answers are boxes")
        coco_ids = read_coco_ids(image_data)
        for image in file.records("images"):
            key, own, name = image.id("image_id"), image.text("split"), image.file("filename")
            if image.raw("qa_pairs") == []:
                file.notes["images without questions"] += 1
            for row in image.records("qa_pairs") if split in (own, "all") else ():
                answer = row.text("answer")
                yield Question(
                    id=row.id("qa_id"),
                    file=name,
                    text=row.text("question"),
                    references=(answer,),
                    answer=answer,
                    kind=row.labels("type"),
                    photograph=photograph(key, coco_ids),
                    choices=(answer, *row.texts("multiple_choices")),
                )
