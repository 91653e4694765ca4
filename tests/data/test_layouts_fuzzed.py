"""Files with an error: never a traceback, never a silent change of a text, an id or a count."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from every_source import EVERY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frozenvl.data.check import check
from frozenvl.data.registry import source_classes
from frozenvl.data.shards.keys import IMAGE_SUFFIXES
from frozenvl.data.sources.source import Source
from frozenvl.util.errors import UnreadableImage, UserError

WRONG = (None, float("nan"), True, [], {}, [None], {"a": 1}, 1.5, [[]])
"""Values of another type, which no field of a text, an id or a list of records can have."""
DAMAGE = (b"\xff", b"\xe4\xb8", b"\0")
DATA = {
    "LxmertQuestions": ("label",),
    "GQAQuestions": ("",),
    "ScienceQAQuestions": ("",),
    "SugarCrepePairs": ("",),
}
"""Source → fields with an object whose keys are data, such as answers or ids; "" is the file itself."""
BINARY = {".tar", ".parquet", ".frozenvl", ".mp4", *(f".{suffix}" for suffix in IMAGE_SUFFIXES)}
SEPARATOR = {".csv": ",", ".tsv": "\t"}


class Case:
    """A small data set of a source, whose files can be replaced."""

    def __init__(self, name: str, folder: Path) -> None:
        self.kind, self.arguments = source_classes()[name], EVERY[name](folder)
        self.files = {
            path: path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix not in BINARY
        }
        self.data = DATA.get(name, ())
        self.good = self.kind(**self.arguments)
        self.expected, self.found = read(self.good), self.check()

    def check(self) -> dict[str, list[str]]:
        """Returns the findings of `data check`."""
        return check(self.kind(**self.arguments)).found

    def restore(self) -> None:
        for path, content in self.files.items():
            path.write_bytes(content)


def read(source: Source) -> list[tuple[Any, ...]]:
    """Returns what must not change silently, of each example that can be used."""
    return [
        (
            e.id,
            e.image.key.rpartition("/images/")[2],
            e.question,
            e.answer,
            e.references,
            e.choices,
            dict(e.scores),
        )
        for e in usable(source)
    ]


def usable(source: Source) -> list[Any]:
    return [
        example for example in map(source.__getitem__, range(len(source))) if not unreadable(example.image)
    ]


def unreadable(image: Any) -> bool:
    """Tells whether an image cannot be read: `data check`, fits and evaluations list such examples."""
    try:
        image.read(8)
    except UnreadableImage:
        return True
    return False


def places(content: Any, data: tuple[str, ...]) -> list[tuple[Any, Any]]:
    """Returns (container, key) of every value of a JSON content, except inside objects whose keys are data."""
    keys = content.keys() if isinstance(content, dict) else range(len(content))
    own = [(content, key) for key in keys]
    found = [] if "" in data else own
    for container, key in own:
        if isinstance(container[key], dict | list) and key not in data:
            found = found + places(container[key], tuple(name for name in data if name))
    return found


def with_json_error(draw: st.DrawFn, content: Any, data: tuple[str, ...]) -> str:
    """Puts one error into a JSON content. Returns what it is."""
    error = draw(st.sampled_from(["rename", "drop", "type", "same", "duplicate"]))
    container, key = draw(st.sampled_from(places(content, data)))
    value = container[key]
    if error == "rename" and isinstance(container, dict):
        container[f"{key}_"] = container.pop(key)
    elif (
        isinstance(container, list) and error != "type"
    ):  # a list without one of its records is a smaller file
        error = "duplicate"
        container.insert(draw(st.integers(0, len(container))), json.loads(json.dumps(value)))
    elif error == "type":
        may_be_empty = key == "answer" or isinstance(container, list)  # annotators may leave an answer out
        values = [value for value in WRONG if not (isinstance(value, dict) and key in data)]
        container[key] = draw(st.sampled_from(values if may_be_empty else [*values, " "]))
    elif error == "same" and type(value) is int:
        container[key] = draw(st.sampled_from([str(value), float(value)]))
    else:
        error = "drop"
        del container[key]
    return f"{error} {key}"


def with_line_error(draw: st.DrawFn, lines: list[str], suffix: str) -> str:
    """Puts one error into a text file. Returns what it is."""
    error = draw(st.sampled_from(["duplicate", "blank", "field"]))
    place = draw(st.integers(0, len(lines) - 1))
    separator = SEPARATOR.get(suffix)
    if error == "duplicate":
        lines.insert(place, lines[place])
    elif error == "field" and separator:
        lines[place] = draw(
            st.sampled_from([lines[place] + separator + "x", lines[place].replace(separator, " ")])
        )
    else:
        lines.insert(place, "")
    return f"{error} in line {place}"


def broken(draw: st.DrawFn, case: Case) -> str:
    """Puts one error into one file. Returns what it is."""
    path = draw(st.sampled_from(list(case.files)))
    text = case.files[path].decode()
    whole = (
        ["cut"] if text.startswith(("{", "[")) else []
    )  # lines of text that are cut off are a smaller file
    how = draw(st.sampled_from(["content"] * 5 + ["bytes", "encoding", *whole]))
    if how == "content":
        try:
            content, rows = json.loads(text), False
        except ValueError:
            try:
                content, rows = [json.loads(line) for line in text.splitlines()], True
            except ValueError:
                lines = text.splitlines()
                error = with_line_error(draw, lines, path.suffix)
                path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
                return error
        if not isinstance(content, dict | list):
            return "nothing"
        error = with_json_error(draw, content, case.data)
        path.write_text("".join(json.dumps(row) + "\n" for row in content) if rows else json.dumps(content))
        return error
    if how == "encoding":
        path.write_bytes(text.encode(draw(st.sampled_from(["utf-8-sig", "utf-16"]))))
        return "encoding"
    place = draw(st.integers(1, len(text) - 1))
    damage = draw(st.sampled_from(DAMAGE)) if how == "bytes" else b""
    path.write_bytes(text[:place].encode() + damage + (text[place:].encode() if how == "bytes" else b""))
    return how


def check_one(case: Case, draw: st.DrawFn) -> None:
    try:
        check_error(case, broken(draw, case))
    finally:
        case.restore()


def check_error(case: Case, error: str) -> None:
    try:
        source = case.kind(**case.arguments)
        examples, got = len(source), read(source)
    except UserError as refusal:
        message = str(refusal)
        assert "\nTraceback" not in message and any(path.name in message for path in case.files), message
        return
    told = source.notes != case.good.notes or examples != len(got)  # in `data check`, and when a fit starts
    same = got == case.expected or (
        error == "cut" and got == case.expected[: len(got)]
    )  # cut between two lines
    if not (same or told or (error.startswith("duplicate") and twice_the_same_text(case.expected, got))):
        assert case.check() != case.found, error  # `data check` lists it


def twice_the_same_text(expected: list[Any], got: list[Any]) -> bool:
    """Tells whether one example has one of its references or choices twice: annotators may agree."""
    differing = [(old, new) for old, new in zip(expected, got, strict=False) if old != new]
    if len(got) != len(expected) or len(differing) != 1:
        return False
    (((*old, _, old_references, old_choices, _), (*new, _, new_references, new_choices, _)),) = differing
    more = Counter((*new_references, *new_choices)) - Counter((*old_references, *old_choices))
    return old == new and more.total() == 1 and more.keys() <= {*old_references, *old_choices}


@pytest.fixture
def case(request, tmp_path) -> Case:
    return Case(request.param, tmp_path)


def files_of(name: str) -> bool:
    """Tells whether a source reads text files."""
    return not name.startswith(("Scene", "MovingScene")) and name not in (
        "ImageFolder",
        "LabelledImages",
        "Shards",
        "VideoShards",
        "HuggingFaceData",
    )


NAMES = sorted(filter(files_of, EVERY))


def cases(number: int, **more: Any) -> settings:
    """Returns settings with a number of cases, spread over the sources."""
    checks, each = list(HealthCheck), -(-number // len(NAMES))
    return settings(max_examples=each, deadline=None, suppress_health_check=checks, database=None, **more)


@pytest.mark.parametrize("case", NAMES, indirect=True)
@cases(200, derandomize=True)
@given(data=st.data())
def test_an_error_in_a_file_is_refused_or_changes_nothing(case, data):
    check_one(case, data.draw)


@pytest.mark.nightly
@pytest.mark.parametrize("case", NAMES, indirect=True)
@cases(2000)
@given(data=st.data())
def test_many_errors_are_refused_or_change_nothing(case, data):
    check_one(case, data.draw)
