"""Visual Genome questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.questions import Part, Question, Questions


class VisualGenomeQuestions(Questions):
    """Visual Genome questions, with one answer each.

    Args:
        questions: `question_answers.json`, a list with id and qas (qa_id, image_id, question, answer).
        images: folder with `<image id>.jpg`, or with the subfolders `VG_100K` and `VG_100K_2` of these.
        image_data: `image_data.json`, which tells the photographs that are COCO's (about half). Without it, overlaps
            with data sets on COCO are not detected.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if a file or the folder is missing, or the layout is another one.
    """

    layout = "Visual Genome's question_answers.json"

    def __init__(
        self,
        questions: str,
        images: str,
        image_data: str | None = None,
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        self._paths = _subfolder_paths(Path(images))
        super().__init__(questions, images, part, ask_share, image_data=image_data)

    def located(self, file: str) -> str:
        return self._paths.get(file, file)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "qas") and has_fields(content[0]["qas"], "qa_id", "question", "answer")

    @classmethod
    def read(cls, file: RecordFile, image_data: str | None = None) -> Iterator[Question]:
        """Yields the questions of a file."""
        coco_ids = read_coco_ids(image_data)
        for image in file.records():
            if image.raw("qas") == []:
                file.notes["images without questions"] += 1
            for row in image.records("qas"):
                key, answer = row.id("image_id"), row.text("answer")
                yield Question(
                    id=row.id("qa_id"),
                    file=f"{key}.jpg",
                    text=row.text("question"),
                    references=(answer,),
                    answer=answer,
                    kind={},
                    photograph=photograph(key, coco_ids),
                )


def _subfolder_paths(images: Path) -> dict[str, str]:
    """Returns file name → path below the folder, for images in one of the two folders of the download."""
    folders = [folder for folder in (images / "VG_100K", images / "VG_100K_2") if folder.is_dir()]
    return {file.name: f"{folder.name}/{file.name}" for folder in folders for file in folder.iterdir()}


def photograph(key: str, coco_ids: Mapping[str, str]) -> str:
    """Returns the `image_id` of Visual Genome's image `key`: COCO's if it is one of COCO's photographs."""
    return f"coco/{coco_ids[key]}" if key in coco_ids else f"vg/{key}"


def read_coco_ids(image_data: str | None) -> dict[str, str]:
    """Returns Visual Genome's image id → COCO's id, for the photographs that are COCO's."""
    if image_data is None:
        return {}
    file = RecordFile(Path(image_data), "Visual Genome's image_data.json")
    with file.reading():
        return {
            row.id("image_id"): row.id("coco_id")
            for row in file.records()
            if row.raw("coco_id") is not None or "coco_id" not in row.data
        }
