"""Files with an error: never a traceback, never a silent change of a text, an id or a count."""

from __future__ import annotations

import copy
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layout_files import LAYOUTS, Layout, as_text, write

from frozenvl.data.sources.source import Source
from frozenvl.util.errors import UserError

WRONG = (None, float("nan"), True, [], {}, [None], {"a": 1}, 1.5, [[]])
"""Values of another type, which no field of a text, an id or a list of records can have."""
BY_ID = ""
"""Stands for the file itself among the objects whose keys are data."""
DAMAGE = (b"\xff", b"\xe4\xb8", b"\0")


def read(source: Source) -> list[tuple[Any, ...]]:
    """Returns what must not change silently: id, image, question, answer, references and choices of each example."""
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
        for e in map(source.__getitem__, range(len(source)))
    ]


def places(content: Any, data: tuple[str, ...]) -> list[tuple[Any, Any]]:
    """Returns (container, key) of every value of a JSON content, except inside objects whose keys are data."""
    keys = content.keys() if isinstance(content, dict) else range(len(content))
    found = [(content, key) for key in keys]
    for container, key in list(found):
        if isinstance(container[key], dict | list) and key not in data:
            found += places(container[key], tuple(name for name in data if name != BY_ID))
    return found if BY_ID not in data else found[len(keys) :]


def changed(draw: st.DrawFn, layout: Layout) -> tuple[dict[str, Any], str]:
    """Returns the files of a layout with one error, and what the error is."""
    files = json.loads(json.dumps(dict(layout.files)))
    name = draw(st.sampled_from(sorted(files)))
    error = draw(st.sampled_from(["rename", "drop", "type", "same", "duplicate", "bytes", "cut", "encoding"]))
    if error in ("bytes", "cut", "encoding"):
        text = as_text(name, files[name])
        place = draw(st.integers(1, len(text) - 1))
        if error == "encoding":
            files[name] = text.encode(draw(st.sampled_from(["utf-8-sig", "utf-16"])))
            return files, "same"
        damage = draw(st.sampled_from(DAMAGE)) if error == "bytes" else b""
        rest = b"" if error == "cut" else text[place:].encode()
        files[name] = text[:place].encode() + damage + rest
        return files, error
    container, key = draw(st.sampled_from(places(files[name], layout.data)))
    value = container[key]
    if error == "rename" and isinstance(container, dict):
        container[f"{key}_"] = container.pop(key)
    elif (
        isinstance(container, list) and error != "type"
    ):  # a list without one of its records is a smaller file
        error = "duplicate"
        container.insert(draw(st.integers(0, len(container))), copy.deepcopy(value))
    elif error == "type":
        may_be_empty = key == "answer" or isinstance(container, list)  # annotators may leave an answer out
        values = [value for value in WRONG if not (isinstance(value, dict) and key in layout.data)]
        container[key] = draw(st.sampled_from(values if may_be_empty else [*values, " "]))
    elif error == "same" and type(value) is int:
        container[key] = draw(st.sampled_from([str(value), float(value)]))
    else:
        error = "drop"
        del container[key]
    return files, f"{error} {key}"


def check_one(data: st.DataObject, name: str) -> None:
    layout = LAYOUTS[name]
    files, error = changed(data.draw, layout)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "good").mkdir()
        (Path(folder) / "bad").mkdir()
        good = write(Path(folder) / "good", layout)
        expected = read(good)
        try:
            source = write(Path(folder) / "bad", layout, files)
        except UserError as refusal:
            message = str(refusal)
            assert any(file in message for file in files) or "images" in message, message
            return
        got = read(source)
    if error == "cut" and got == expected[: len(got)]:  # JSON Lines, cut off between two lines
        return
    if got != expected and source.notes == good.notes:
        assert error.startswith("duplicate") and twice_the_same_text(expected, got), (error, expected, got)


def twice_the_same_text(expected: list[Any], got: list[Any]) -> bool:
    """Tells whether one example has one of its references or choices twice: annotators may agree."""
    differing = [(old, new) for old, new in zip(expected, got, strict=False) if old != new]
    if len(got) != len(expected) or len(differing) != 1:
        return False
    (((*old, _, old_references, old_choices, _), (*new, _, new_references, new_choices, _)),) = differing
    more = Counter((*new_references, *new_choices)) - Counter((*old_references, *old_choices))
    return old == new and more.total() == 1 and more.keys() <= {*old_references, *old_choices}


def cases(number: int, **more: Any) -> settings:
    """Returns settings with a number of cases, spread over the layouts."""
    each = -(-number // len(LAYOUTS))
    checks = list(HealthCheck)
    return settings(max_examples=each, deadline=None, suppress_health_check=checks, database=None, **more)


@pytest.mark.parametrize("name", LAYOUTS)
@cases(200, derandomize=True)
@given(data=st.data())
def test_an_error_in_a_file_is_refused_or_changes_nothing(name, data):
    check_one(data, name)


@pytest.mark.nightly
@pytest.mark.parametrize("name", LAYOUTS)
@cases(2000)
@given(data=st.data())
def test_many_errors_are_refused_or_change_nothing(name, data):
    check_one(data, name)
