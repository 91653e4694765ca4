"""VQA v2, OK-VQA and other data sets in the official VQA layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from frozenvl.data.records.ids import Ids
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import as_id, has_fields
from frozenvl.data.sources.questions import Part, Question, Questions, image_name, majority


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

    layout, streams = "VQA questions JSON", True

    def __init__(
        self,
        questions: str,
        annotations: str | None,
        images: str,
        image_name: str = "COCO_train2014_{image_id:012d}.jpg",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        super().__init__(questions, images, part, ask_share, annotations=annotations, pattern=image_name)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return isinstance(content, dict) and has_fields(content.get("questions"), "question_id", "question")

    @classmethod
    def read(
        cls, file: RecordFile, annotations: str | None, pattern: str = "{image_id}"
    ) -> Iterator[Question]:
        """Yields the questions with the answers of the other file."""
        answers = None if annotations is None else _answers(Path(annotations))
        ids = Ids((key, "") for key in answers or ())
        unused = set(answers or ())
        for row in file.records("questions"):
            key, name = row.id("question_id"), image_name(pattern, row, "image_id")
            text = row.text("question")
            answered = ids.find(key) or ""
            given = Answers() if answers is None else answers.get(answered)
            if given is None:
                row.problem(f"has no annotation in {annotations}; are they of one split?")
                continue
            unused.discard(answered)
            image = row.id("image_id")
            if given.image not in ("", image) and not Ids([(image, "")]).find(given.image):
                row.problem(
                    f"is about image {image}, but its answers in {annotations} are about image {given.image}"
                )
            yield Question(key, name, text, given.texts, given.majority, given.kind)
        for key in sorted(unused):
            file.problem(f"question {key} of {annotations} is not in this file; are they of one split?")


class Answers(NamedTuple):
    """Annotators' answers to a question."""

    texts: tuple[str, ...] = ()
    majority: str = ""
    image: str = ""
    kind: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple, which nobody changes


def _answers(path: Path) -> dict[str, Answers]:
    """Reads an annotation file: question id → answers."""
    file = RecordFile(path, "VQA annotations JSON", streams=True)
    answers: dict[str, Answers] = {}
    kinds: dict[tuple[str, ...], dict[str, str]] = {}  # few, which the questions share
    with file.reading():
        for row in file.records("annotations"):
            key, texts = row.id("question_id"), row.answers("answers")
            best = majority(texts, row.text("multiple_choice_answer", optional=True, numbers=True))
            if key in answers:
                row.problem(f"question {key} is answered twice")
            image = as_id(row.raw("image_id")) or ""
            kind = row.labels("answer_type", "question_type")
            answers[key] = Answers(texts, best, image, kinds.setdefault((*kind, *kind.values()), kind))
    return answers
