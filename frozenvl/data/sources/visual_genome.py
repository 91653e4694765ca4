"""Visual Genome's questions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frozenvl.data.sources.questions import Part, Question, Questions
from frozenvl.data.sources.records import laid_out, one_line, read_annotations


class VisualGenomeQuestions(Questions):
    """Questions with one answer each.

    Args:
        questions: `question_answers.json`: a list with id and qas (qa_id, image_id, question, answer).
        images: the folder with `<image id>.jpg`, or with the folders `VG_100K` and `VG_100K_2` of them.
        image_data: `image_data.json`, which says which photographs are COCO's (about half are): without it, overlaps
            with data sets on COCO go unnoticed.
        part, ask_share: as for every source of questions: "all", or the photographs to train on, "train", or to
            ask about, "ask", and the share of these.

    Raises:
        UserError: where a file or the folder is missing or laid out otherwise.
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
        rows = _questions(read_annotations(path), _where(Path(images)), _on_coco(image_data))
        super().__init__(path, "Visual Genome's question_answers.json", images, rows, part, ask_share)


def _where(images: Path) -> dict[str, str]:
    """Image file → its place below the folder, where it lies in one of the two folders of the download."""
    folders = [folder for folder in (images / "VG_100K", images / "VG_100K_2") if folder.is_dir()]
    return {file.name: f"{folder.name}/{file.name}" for folder in folders for file in folder.iterdir()}


def _on_coco(image_data: str | None) -> dict[str, int]:
    """Visual Genome's image id → COCO's, where the photograph is COCO's."""
    if image_data is None:
        return {}
    path = Path(image_data)
    records = read_annotations(path)
    with laid_out(path, "Visual Genome's image_data.json"):
        return {str(r["image_id"]): int(r["coco_id"]) for r in records if r["coco_id"] is not None}


def _questions(records: Any, where: dict[str, str], on_coco: dict[str, int]) -> Iterator[Question]:
    for image in records:
        for row in image["qas"]:
            key, answer = str(row["image_id"]), one_line(row["answer"])
            file = f"{key}.jpg"
            yield Question(
                id=str(row["qa_id"]),
                file=where.get(file, file),
                text=one_line(row["question"]),
                references=(answer,),
                answer=answer,
                kind={},
                photograph=f"coco/{on_coco[key]}" if key in on_coco else f"vg/{key}",
            )
