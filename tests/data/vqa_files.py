"""Question and annotation files in VQA's official layout."""

from __future__ import annotations

import json
from pathlib import Path

from frozenvl.data.sources.vqa import VQAQuestions

ASKED = [
    {"question_id": 10, "image_id": 1, "question": "Is it  red?"},
    {"question_id": 11, "image_id": 1, "question": "How many?"},
    {"question_id": 20, "image_id": 2, "question": "What?"},
]
GIVEN = [
    {"question_id": 20, "image_id": 2, "answers": ["a", "b", "b", "a"], "multiple_choice_answer": "b"},
    {"question_id": 10, "answers": ["no", "yes", "yes"], "answer_type": "yes/no", "question_type": "is it"},
    {"question_id": 11, "answers": ["", "", "2"], "multiple_choice_answer": "", "question_type": ""},
]


def annotations(given=GIVEN) -> list[dict]:
    return [row | {"answers": [{"answer": text, "answer_id": 1} for text in row["answers"]]} for row in given]


def write(folder: Path, name: str, content) -> str:
    (folder / "images").mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return str(folder / name)


def vqa(folder: Path, asked=ASKED, given=None, **more) -> VQAQuestions:
    questions = write(folder, "questions.json", {"questions": asked})
    given = write(folder, "annotations.json", {"annotations": annotations() if given is None else given})
    return VQAQuestions(questions, given, str(folder / "images"), **more)


def many(folder: Path, **more) -> VQAQuestions:
    asked = [{"question_id": n, "image_id": n // 3, "question": "What?"} for n in range(3000)]
    questions = write(folder, "questions.json", {"questions": asked})
    return VQAQuestions(questions, None, str(folder / "images"), **more)
