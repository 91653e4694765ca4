"""Files that `frozenvl score` reads: references and questions in the sources' layouts, results, predictions.jsonl."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

from frozenvl.data.detect import detect
from frozenvl.data.records.ids import Ids
from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.streamed import beginning, in_memory
from frozenvl.data.records.values import as_id, has_fields
from frozenvl.data.registry import source_classes
from frozenvl.data.sources.annotated import Annotated
from frozenvl.data.sources.captions import Captions
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.questions import Questions
from frozenvl.data.sources.source import Source
from frozenvl.data.sources.table import TableCaptions
from frozenvl.data.sources.vqa import VQAQuestions
from frozenvl.util.errors import UserError

PREDICTIONS = "predictions.jsonl of an evaluation"


@dataclass
class References:
    """Reference captions of a file."""

    texts: dict[str, list[str]]
    """Image id → captions."""
    ids: Ids
    notes: list[str] = field(default_factory=list)
    """Records that were left out, with their number."""
    groups: dict[str, dict[str, str]] = field(default_factory=dict)
    """Image id → labels by which scores are broken down, such as `domain`."""


@dataclass
class VQAReferences:
    """Questions of a file (or of two) with their answers, by question id."""

    answers: dict[str, list[str]]
    images: dict[str, str]
    groups: dict[str, dict[str, str]]
    """Labels by which scores are broken down, such as `answer_type`."""
    ids: Ids
    notes: list[str] = field(default_factory=list)
    """Records that were left out, with their number."""


@dataclass
class Results:
    """Captions by image id, or answers by question id."""

    texts: dict[str, str]
    notes: list[str] = field(default_factory=list)


def read_references(path: Path, split: str | None = None) -> References:
    """Reads reference captions in the layout of any caption source, or from a predictions.jsonl.

    Args:
        path: file of the references.
        split: split to read, if the layout has several in one file (all are read without one), or language.

    Raises:
        UserError: if the file has another layout, or records that cannot be used.
    """
    file = _opened(path, PREDICTIONS)
    layout = beginning(file.content)
    if has_fields(layout, "references"):
        texts: dict[str, list[str]] = {}
        groups: dict[str, dict[str, str]] = {}
        with file.reading():
            for row in file.records():
                key, captions = _image(row), row.texts("references")
                if key in texts:
                    row.problem(f"image {key} stands twice")
                labels = row.raw("kind")
                texts[key], groups[key] = list(captions), labels if isinstance(labels, dict) else {}
        return References(texts, Ids((key, "") for key in texts), groups=groups)
    kind = detect(layout) or (TableCaptions if TableCaptions.reads(path) else CocoCaptions)
    if not issubclass(kind, Captions | TableCaptions):
        raise UserError(f"{path}: holds no captions; it has the layout of {kind.__name__}")
    notes: Counter[str] = Counter()
    content = file.content if _streams(kind) else in_memory(file.content)
    rows = [*kind.annotated(path, notes, content, named=False, **_of_split(path, kind, split))]
    if bare := next((row for row in rows if not row.captions), None):
        raise UserError(
            f"{path}: image {bare.id} has no caption: a test set without references cannot be scored"
        )
    ids = Ids((row.id, row.file) for row in rows)
    texts = {row.id: list(row.captions) for row in rows}
    return References(texts, ids, _counted(notes), {row.id: row.kind for row in rows})


def read_captions(path: Path, known: Ids | None = None) -> Results:
    """Reads captions from COCO's results format, [{"image_id", "caption"}], or a predictions.jsonl.

    Args:
        path: results file.
        known: ids of the images that are scored. An id that differs from one of these by a file name, a file suffix or
            leading zeros means the same image.

    Raises:
        UserError: if the file has another format, or two captions for one image.
    """
    file = RecordFile(path, "COCO results", remedy='write [{"image_id": …, "caption": …}, …]', streams=True)
    texts: dict[str, str] = {}
    contradictions = 0
    with file.reading():
        for row in file.records():
            key = _matched(_image(row), known)
            if known and _contradicts(row, key, known):
                contradictions += 1
            _add(texts, row, key, _first(row, "caption", "text"), "image")
    notes = [f"{contradictions} results have an `id` that is another image's; `image_id` counts"]
    return Results(texts, notes if contradictions else [])


def _image(row: Record) -> str:
    """Returns the image id of a row: `id` in a predictions.jsonl, else `image_id` (COCO's `id` is the caption's)."""
    own = "references" in row.data and "text" in row.data
    return row.id("id" if own or ("image_id" not in row.data and "id" in row.data) else "image_id")


def _contradicts(row: Record, key: str, known: Ids) -> bool:
    other = as_id(row.raw("id"))
    own = "references" in row.data
    return not own and "image_id" in row.data and other is not None and other != key and other in known


def read_answers(path: Path, known: Ids | None = None) -> Results:
    """Reads answers from VQA's results format, [{"question_id", "answer"}], or a predictions.jsonl.

    VizWiz's format, with `image`, and GQA's, with `questionId` and `prediction`, are read as well.

    Args:
        path: results file.
        known: ids of the questions that are scored, as in `read_captions`.

    Raises:
        UserError: if the file has another format, or two answers to one question.
    """
    file = RecordFile(path, "VQA results", remedy='write [{"question_id": …, "answer": …}, …]', streams=True)
    texts: dict[str, str] = {}
    with file.reading():
        for row in file.records():
            key = _matched(row.id(_first(row, "question_id", "questionId", "id", "image")), known)
            _add(texts, row, key, _first(row, "answer", "prediction", "text"), "question")
    return Results(texts)


def _first(row: Record, *fields: str) -> str:
    """Returns the first of the fields that a row has; the first of all if it has none."""
    return next((field for field in fields if field in row.data), fields[0])


def _matched(key: str, known: Ids | None) -> str:
    return (known.find(key) if known else None) or key


def _add(texts: dict[str, str], row: Record, key: str, field: str, what: str) -> None:
    """Adds the text of a row. An empty text is a caption or an answer: the model said nothing."""
    value = row.raw(field)
    text = value if isinstance(value, str) else row.text(field)
    if key and key in texts:
        row.problem(f"{what} {key} stands twice")
    texts[key] = text


def read_vqa(questions: Path, annotations: Path | None = None, split: str | None = None) -> VQAReferences:
    """Reads questions and answers: VQA v2's two files, or one file in the layout of another VQA source.

    Args:
        questions: file of the questions, with the answers unless they are in another one.
        annotations: VQA v2's file of answers.
        split: split to read, if the layout has several in one file. All are read without one.

    Raises:
        UserError: if a file has another format, records that cannot be used, or questions and annotations do not match.
    """
    content = _opened(questions, VQAQuestions.layout).content
    kind = detect(beginning(content)) or VQAQuestions
    if not issubclass(kind, Questions):
        raise UserError(f"{questions}: holds no questions; it has the layout of {kind.__name__}")
    options: dict[str, Any] = _of_split(questions, kind, split)
    if kind is VQAQuestions:
        if annotations is None:
            raise UserError(
                f"{questions}: VQA v2's questions have their answers in another file; give --annotations"
            )
        options["annotations"] = str(annotations)
    elif annotations is not None and annotations != questions:
        raise UserError(
            f"{questions}: {kind.__name__} has questions and answers in one file; leave --annotations out"
        )
    notes: Counter[str] = Counter()
    content = content if _streams(kind) else in_memory(content)
    known = VQAReferences({}, {}, {}, Ids(()))
    soft, bare = False, ""
    for row in kind.annotated(questions, notes, content, named=False, **options):
        known.answers[row.id], known.groups[row.id] = list(row.references), row.kind
        known.images[row.id] = row.photograph or row.file
        soft = soft or bool(row.scores)
        bare = bare or ("" if row.references else f"question {row.id} has no answer")
    if soft:
        raise UserError(
            f"{questions}: has soft scores instead of annotators' answers; give VQA v2's own files"
        )
    if bare:
        raise UserError(f"{questions}: {bare}: a test set without answers cannot be scored")
    known.ids, known.notes = Ids((key, "") for key in known.answers), _counted(notes)
    return known


def _streams(kind: type[Source]) -> bool:
    """Tells whether a source reads the long lists of a large file as they stream by."""
    return issubclass(kind, Annotated) and kind.streams


def _opened(path: Path, layout: str) -> RecordFile:
    """Opens an annotation file. Data sets in folders, tars and Parquet files are answered with how to convert them."""
    kinds = [kind for kind in source_classes().values() if path.exists() and kind.reads(path)]
    if kinds and kinds[0] is not TableCaptions:
        raise UserError(
            f"{path}: {kinds[0].layout}, not an annotation file; write one from it: "
            f"frozenvl data convert {kinds[0].__name__} DEST --format coco"
        )
    return RecordFile(path, layout, streams=True)


def _of_split(path: Path, kind: type[Source], split: str | None) -> dict[str, Any]:
    """Returns the option of a source that chooses a split."""
    if "locale" in signature(kind).parameters:
        if split is None:
            raise UserError(
                f"{path}: {kind.layout} has captions in several languages; choose one with --split"
            )
        return {"locale": split}
    if split is None:
        return {}
    if "split" not in signature(kind).parameters:
        raise UserError(f"{path}: {kind.layout} has no splits; leave --split out")
    return {"split": split}


def _counted(notes: Mapping[str, int]) -> list[str]:
    return [f"{count:,} {reason}" for reason, count in notes.items()]


def caption_results(captions: Mapping[str, str]) -> list[dict[str, Any]]:
    """Converts image id → caption to COCO's results format. Ids that are whole numbers become integers."""
    return [{"image_id": _number(image), "caption": text} for image, text in captions.items()]


def vqa_results(answers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Converts question id → answer to VQA's results format. Ids that are whole numbers become integers."""
    return [{"question_id": _number(question), "answer": text} for question, text in answers.items()]


def _number(key: str) -> int | str:
    return int(key) if key.isdecimal() and str(int(key)) == key else key
