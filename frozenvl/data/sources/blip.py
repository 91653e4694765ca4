"""Questions in the layout of BLIP and LAVIS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.questions import Part, Question, Questions, majority
from frozenvl.data.sources.visual_genome import photograph, read_coco_ids


class BlipQuestions(Questions):
    """Questions in the layout of BLIP and LAVIS: `vqa_train.json`, `vqa_val.json`, `vqa_test.json`, `vg_qa.json`.

    The label `dataset` is the record's own ("vqa", "vg").

    Args:
        annotations: JSON list with question_id, question, image, dataset and answer (a text or a list of texts; absent
            in the test set).
        images: folder that the image names start from: COCO's, or Visual Genome's for `vg_qa.json`.
        image_data: Visual Genome's `image_data.json`, which tells the photographs that are COCO's. Without it, overlaps
            between Visual Genome's and COCO's are not detected.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if a file or the folder is missing, or the layout is another one.
    """

    layout = "BLIP's VQA JSON"

    def __init__(
        self,
        annotations: str,
        images: str,
        image_data: str | None = None,
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        super().__init__(annotations, images, part, ask_share, image_data=image_data)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "question_id", "question", "image") and not content[0].keys() & {
            "answers",
            "choices",
            "conversations",
        }

    @classmethod
    def read(cls, file: RecordFile, image_data: str | None = None) -> Iterator[Question]:
        """Yields the questions of a file."""
        coco_ids = read_coco_ids(image_data)
        for row in file.records():
            answers, name = row.answers("answer", optional=True), row.file("image")
            key = PurePosixPath(name).stem
            yield Question(
                id=row.id("question_id"),
                file=name,
                text=row.text("question"),
                references=answers,
                answer=majority(answers),
                kind=row.labels("dataset"),
                photograph=photograph(key, coco_ids)
                if row.raw("dataset") == "vg" and key.isdecimal()
                else "",
            )
