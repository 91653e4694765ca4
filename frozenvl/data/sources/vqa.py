"""VQA v2, OK-VQA and other data sets in the official VQA layout (such as DAQUAR)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from frozenvl.data.sources.questions import Part, Question, Questions, image_name, labels, majority
from frozenvl.data.sources.records import laid_out, one_line, read_annotations
from frozenvl.util.errors import UserError


class VQAQuestions(Questions):
    """Questions in the official VQA layout: one JSON file of questions, one of annotators' answers.

    Args:
        questions: JSON file with `questions` (question_id, image_id, question).
        annotations: JSON file with `annotations` (question_id, answers, multiple_choice_answer, answer_type,
            question_type); null for a test set without answers.
        images: folder of the image files.
        image_name: pattern of the image file names, with the field `{image_id}`.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if a file or the folder is missing, a layout is another one, or the two files do not belong together.
    """

    def __init__(
        self,
        questions: str,
        annotations: str | None,
        images: str,
        image_name: str = "COCO_train2014_{image_id:012d}.jpg",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        path = Path(questions)
        records = read_annotations(path)
        answers = None if annotations is None else _answers(Path(annotations))
        rows = _questions(path, records, annotations, answers, image_name)
        super().__init__(path, "VQA questions JSON", images, rows, part, ask_share)


def _answers(path: Path) -> dict[str, tuple[tuple[str, ...], str, dict[str, str]]]:
    """Reads an annotation file: question id → (answers, majority answer, labels)."""
    records, answers = read_annotations(path), {}
    clean = cache(one_line)  # millions of answers, of which only thousands are distinct
    with laid_out(path, "VQA annotations JSON"):
        for row in records["annotations"]:
            key = str(row["question_id"])
            if key in answers:
                raise UserError(f"{path}: question {key} is answered twice; remove one")
            texts = tuple(clean(answer["answer"]) for answer in row["answers"])
            if not any(texts):
                raise UserError(f"{path}: question {key} has no answer; remove it")
            best = majority(texts, one_line(row.get("multiple_choice_answer")))
            answers[key] = (texts, best, labels(row, "answer_type", "question_type"))
    return answers


def _questions(
    path: Path, records: Any, annotations: str | None, answers: dict[str, Any] | None, pattern: str
) -> Iterator[Question]:
    unused = set(answers or ())
    for row in records["questions"]:
        key = str(row["question_id"])
        if answers is not None and key not in answers:
            raise UserError(
                f"{path}: question {key} has no annotation in {annotations}; are they of one split?"
            )
        references, best, kind = ((), "", {}) if answers is None else answers[key]
        unused.discard(key)
        file = image_name(pattern, image_id=row["image_id"])
        yield Question(key, file, one_line(row["question"]), references, best, kind)
    if unused:
        raise UserError(
            f"{annotations}: {len(unused)} annotations are of questions that are not in {path} "
            f"(such as {min(unused)}); are they of one split?"
        )
