"""Visual Genome questions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frozenvl.data.sources.questions import Part, Question, Questions
from frozenvl.data.sources.records import laid_out, one_line, read_annotations


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

    def __init__(
        self,
        questions: str,
        images: str,
        image_data: str | None = None,
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        path = Path(questions)
        rows = _questions(read_annotations(path), _subfolder_paths(Path(images)), _coco_ids(image_data))
        super().__init__(path, "Visual Genome's question_answers.json", images, rows, part, ask_share)


def _subfolder_paths(images: Path) -> dict[str, str]:
    """Returns file name → path below the folder, for images in one of the two folders of the download."""
    folders = [folder for folder in (images / "VG_100K", images / "VG_100K_2") if folder.is_dir()]
    return {file.name: f"{folder.name}/{file.name}" for folder in folders for file in folder.iterdir()}


def _coco_ids(image_data: str | None) -> dict[str, int]:
    """Returns Visual Genome's image id → COCO's id, for the photographs that are COCO's."""
    if image_data is None:
        return {}
    path = Path(image_data)
    records = read_annotations(path)
    with laid_out(path, "Visual Genome's image_data.json"):
        return {str(r["image_id"]): int(r["coco_id"]) for r in records if r["coco_id"] is not None}


def _questions(records: Any, paths: dict[str, str], coco_ids: dict[str, int]) -> Iterator[Question]:
    for image in records:
        for row in image["qas"]:
            key, answer = str(row["image_id"]), one_line(row["answer"])
            file = f"{key}.jpg"
            yield Question(
                id=str(row["qa_id"]),
                file=paths.get(file, file),
                text=one_line(row["question"]),
                references=(answer,),
                answer=answer,
                kind={},
                photograph=f"coco/{coco_ids[key]}" if key in coco_ids else f"vg/{key}",
            )
