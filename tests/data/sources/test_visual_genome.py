"""Visual Genome's questions."""

from __future__ import annotations

from pathlib import Path

import pytest
from vqa_files import write

from frozenvl.data.sources.visual_genome import VisualGenomeQuestions
from frozenvl.util.errors import UserError


def visual_genome(folder: Path, image_data=None, **more) -> VisualGenomeQuestions:
    qas = [{"qa_id": n, "image_id": n % 2 + 1, "question": "What?", "answer": f"A {n}."} for n in range(3)]
    rows = [{"id": image, "qas": [row for row in qas if row["image_id"] == image]} for image in (1, 2)]
    path = write(folder, "question_answers.json", rows)
    return VisualGenomeQuestions(path, str(folder / "images"), image_data, **more)


def test_questions_and_answers_are_read(tmp_path):
    image_data = [{"image_id": 1, "coco_id": None}, {"image_id": 2, "coco_id": 77}]
    source = visual_genome(tmp_path, write(tmp_path, "image_data.json", image_data))
    assert [(e.id, e.image.name, e.answer, e.references) for e in source] == [
        ("0", "1.jpg", "A 0.", ("A 0.",)),
        ("2", "1.jpg", "A 2.", ("A 2.",)),
        ("1", "2.jpg", "A 1.", ("A 1.",)),
    ]
    assert source.image_ids() == ["vg/1", "vg/1", "coco/77"]
    assert visual_genome(tmp_path).image_ids() == ["vg/1", "vg/1", "vg/2"]


def test_visual_genomes_images_may_lie_in_two_folders(tmp_path):
    for place in ("VG_100K/1.jpg", "VG_100K_2/2.jpg"):
        file = tmp_path / "images" / place
        file.parent.mkdir(parents=True)
        file.touch()
    paths = {e.image.path.relative_to(tmp_path / "images").as_posix() for e in visual_genome(tmp_path)}
    assert paths == {"VG_100K/1.jpg", "VG_100K_2/2.jpg"}


def test_files_in_another_layout_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"not Visual Genome's image_data.json .no record has 'coco_id'"):
        visual_genome(tmp_path, write(tmp_path, "image_data.json", [{"image_id": 1}]))
    with pytest.raises(UserError, match=r"not Visual Genome's question_answers.json"):
        VisualGenomeQuestions(write(tmp_path, "q.json", [{"id": 1}]), str(tmp_path / "images"))
