"""VisDial: dialogues about a photograph, with candidate answers to rank."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import described, has_fields, one_line
from frozenvl.data.sources.coco_ids import coco_id
from frozenvl.data.sources.conversations import Conversation, Conversations
from frozenvl.util.errors import UserError

Caption = Literal["message", "system", "none"]
_FILE = re.compile(r"(?:COCO|VisualDialog)_(?:train|val|test)20\d\d_0*(\d+)\.jpe?g", re.I)


class VisDial(Conversations):
    """VisDial dialogues: the questions about a photograph, with the answers given so far as history.

    The first message shows the photograph, and the caption that the two people spoke about stands in front of its
    question. Questions get their question mark. The id of a turn is `<image id>/<round>`, with rounds from 1. Each turn
    has its 100 candidate answers as `choices`, in the file's order, the index of the true one as `correct` and, with
    `dense`, their `relevance`. In the test set, the last answer of a dialogue is empty.

    Args:
        annotations: `visdial_1.0_train.json`, `visdial_1.0_val.json` or `visdial_1.0_test.json`.
        images: folder of the photographs, or of the folders that the downloads unpack to: `train2014`, `val2014`,
            `VisualDialog_val2018`, `VisualDialog_test2018`.
        dense: `visdial_1.0_val_dense_annotations.json`: relevance of the candidates of one round of each dialogue.
        caption: place of the caption: in front of the first question ("message"), the system message, or "none".
        candidates: whether to keep the candidate answers. Training does not need them; those of the training set take
            about 2 GB on disk.

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, or the dense annotations are of other
            dialogues.
    """

    layout = "VisDial's dialogs JSON"

    def __init__(
        self,
        annotations: str,
        images: str,
        dense: str | None = None,
        caption: Caption = "message",
        candidates: bool = True,
    ) -> None:
        if caption not in get_args(Caption):
            raise UserError(f"unknown caption {caption!r}; choose one of {', '.join(get_args(Caption))}")
        if dense and not candidates:
            raise UserError(
                "dense annotations judge the candidate answers; set candidates, or leave out dense"
            )
        self._paths = photographs(Path(images))
        super().__init__(annotations, images, dense=dense, caption=caption, candidates=candidates)
        answered = self.rows.column("replies")
        targets = [1 if replies[-1] else 0 for replies in answered]
        self.targets_per_example = targets[0] if len({*targets}) == 1 else targets

    @classmethod
    def recognises(cls, content: Any) -> bool:
        data = content.get("data") if isinstance(content, dict) else None
        return isinstance(data, dict) and has_fields(data.get("dialogs"), "image_id", "dialog")

    def located(self, file: str) -> str:
        match = _FILE.fullmatch(file)
        return self._paths.get(int(match[1]), file) if match else file

    def photographs_of(self, key: str, files: Any, photograph: str) -> list[str]:
        return [coco_id(self.located(files[0])) or f"visdial/{key}"]

    @classmethod
    def read(
        cls, file: RecordFile, dense: str | None = None, caption: Caption = "message", candidates: bool = True
    ) -> Iterator[Conversation]:
        """Yields the dialogues of a file."""
        data = file.content.get("data")
        texts = Texts.of(data, file)
        pattern = _pattern(str(file.content.get("split") or ""))
        relevance = read_relevance(Path(dense)) if dense else {}
        inner = Record(file, data, "data", "data", None)
        for row in inner.records("dialogs"):
            key = row.id("image_id")
            rounds = [_Round.of(record, texts, candidates) for record in row.records("dialog")]
            if row.ok and not rounds:
                row.problem("'dialog' is an empty list")
            if not row.ok or not all(rounds):
                continue
            if "" in [each.answer for each in rounds[:-1] if each]:
                row.problem("a round before the last has no answer")
            yield _conversation(row, key, pattern, [r for r in rounds if r], caption, relevance)
        for key, number in sorted(relevance):
            file.problem(
                f"round {number} of image {key} of {dense} is not in this file; are they of one split?"
            )


class Texts(NamedTuple):
    """Questions and answers of a file, which its rounds name by their numbers."""

    questions: list[str]
    answers: list[str]

    @classmethod
    def of(cls, data: Any, file: RecordFile) -> Texts:
        """Reads the lists of a file. Raises `UserError` if there are none."""
        if not isinstance(data, dict):
            raise file.refused(f"'data' is {described(data)}, not an object with dialogs")
        lists = []
        for name in cls._fields:
            given = data.get(name)
            if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
                raise file.refused(f"'data.{name}' is {described(given)}, not a list of texts")
            lists.append([one_line(text) for text in given])
        return cls(*lists)


class _Round(NamedTuple):
    question: str
    answer: str
    choices: tuple[str, ...]
    correct: int

    @classmethod
    def of(cls, record: Record, texts: Texts, candidates: bool) -> _Round | None:
        """Reads a round; None if it cannot be used."""
        question = _number(record, "question", texts.questions)
        answer = _number(record, "answer", texts.answers) if "answer" in record.data else -1
        options = record.raw("answer_options") or []
        valid = isinstance(options, list) and {*map(type, options)} <= {int}
        if not valid or not 0 <= min(options, default=0) <= max(options, default=0) < len(texts.answers):
            record.problem(f"'answer_options' are not indices of the file's {len(texts.answers):,} answers")
            return None
        correct = record.data.get("gt_index", -1)
        known = type(correct) is int and 0 <= correct < len(options) and options[correct] == answer
        if answer is not None and answer >= 0 and options and not known:
            record.problem(f"'gt_index' is {correct!r}, which is not the answer among its options")
        if not record.ok or question is None or answer is None:
            return None
        text = texts.questions[question]
        return cls(
            question=text if text.endswith(("?", ".", "!")) else f"{text}?",
            answer="" if answer < 0 else texts.answers[answer],
            choices=tuple(texts.answers[option] for option in options) if candidates else (),
            correct=correct if candidates else -1,
        )


def _number(record: Record, field: str, texts: list[str]) -> int | None:
    """Returns the index of a text; None, and a problem, if there is no such text."""
    value = record.raw(field)
    if type(value) is int and 0 <= value < len(texts):
        return value
    record.problem(f"{field!r} is {described(value)}, not an index of the file's {len(texts):,} {field}s")
    return None


def _conversation(
    row: Record,
    key: str,
    pattern: str,
    rounds: list[_Round],
    caption: Caption,
    relevance: dict[tuple[str, int], list[float]],
) -> Conversation:
    """Makes the conversation of a dialogue. Takes the relevance of its candidates from a dictionary."""
    described_as = row.text("caption", optional=caption == "none")
    messages: list[list[str | int]] = [[each.question] for each in rounds]
    if caption == "message":
        messages[0] = [f"{described_as} {rounds[0].question}"]
    messages[0].insert(0, 0)
    numbers = range(1, len(rounds) + 1)
    judged = [relevance.pop((key, number), None) for number in numbers]
    for number, each, scores in zip(numbers, rounds, judged, strict=True):
        if scores is not None and len(scores) != len(each.choices):
            row.problem(f"round {number} has {len(each.choices)} candidates, but {len(scores)} relevances")
    has_choices = any(each.choices for each in rounds)
    return Conversation(
        id=key,
        files=(pattern.format(int(key)) if key.isdecimal() else f"{key}.jpg",),
        messages=messages,
        replies=tuple(each.answer for each in rounds),
        ids=tuple(f"{key}/{number}" for number in numbers),
        system=described_as if caption == "system" else "",
        choices=[each.choices for each in rounds] if has_choices else None,
        correct=[each.correct for each in rounds] if has_choices else None,
        relevance=judged if any(judged) else None,
    )


def read_relevance(path: Path) -> dict[tuple[str, int], list[float]]:
    """Reads dense annotations: (image id, round from 1) → relevance of each candidate answer."""
    file = RecordFile(path, "VisDial's dense annotations")
    found: dict[tuple[str, int], list[float]] = {}
    with file.reading():
        for row in file.records():
            field = "relevance" if "relevance" in row.data else "gt_relevance"
            key, number, scores = row.id("image_id"), row.raw("round_id"), row.raw(field)
            if type(number) is not int:
                row.problem(f"'round_id' is {described(number)}, not a number")
            elif not isinstance(scores, list) or not all(isinstance(s, int | float) for s in scores):
                row.problem(f"{field!r} is {described(scores)}, not a list of numbers")
            elif (key, number) in found:
                row.problem(f"round {number} of image {key} stands twice")
            else:
                found[key, number] = [float(score) for score in scores]
    return found


def photographs(folder: Path) -> dict[int, str]:
    """Returns the number of each photograph in a folder, or in a folder inside it → its path below the folder."""
    if not folder.is_dir():  # reported by the source
        return {}
    places = [folder, *sorted(place for place in folder.iterdir() if place.is_dir())]
    found: dict[int, str] = {}
    for place in places:
        for file in place.iterdir():
            if match := _FILE.fullmatch(file.name):
                found.setdefault(int(match[1]), file.relative_to(folder).as_posix())
    return found


def _pattern(split: str) -> str:
    """Returns the pattern of the image files of a split, such as "val2018" or "train"."""
    if "2018" in split:
        return f"VisualDialog_{split}_{{:012d}}.jpg"
    return f"COCO_{'val' if split.startswith('val') else 'train'}2014_{{:012d}}.jpg"
