"""Escapes of interpolations, and texts that look like something else, in YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from awkward_texts import TEXTS
from hypothesis import given, settings
from hypothesis import strategies as some
from jsonargparse import Namespace, get_loader
from omegaconf import OmegaConf

from frozenvl.util.config_text import (
    PLACEHOLDER,
    as_yaml,
    escaped,
    protected,
    protected_argument,
    restored,
    set_apart,
    unescaped,
    with_escapes,
)


@settings(deadline=None, derandomize=True)
@given(some.lists(TEXTS, max_size=4))
def test_every_reader_of_yaml_reads_the_text_that_was_written(texts):
    written = as_yaml({"texts": texts, "numbers": [1, 1e-5, 1e30, True, None, float("inf")]})
    for read in (yaml.safe_load, get_loader("yaml")):
        found = read(written)
        assert found["texts"] == texts
        assert found["numbers"] == [1, 1e-5, 1e30, True, None, float("inf")]
    unresolved = OmegaConf.to_container(OmegaConf.create(as_yaml({"texts": set_apart(texts)})))
    assert restored(unresolved)["texts"] == texts


@settings(deadline=None, derandomize=True)
@given(TEXTS)
def test_an_escaped_text_is_read_back_here_and_by_omegaconf(text):
    assert unescaped(escaped(text)) == text
    assert restored(protected(escaped(text))) == text
    assert restored(set_apart(text)) == text
    if "${" in text and text not in ("???", r"\???"):
        assert OmegaConf.create({"text": escaped(text)}).text == text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\${a}", "${a}"),
        (r"x\\\${a}", r"x\${a}"),
        (r"\${a.b} and \${c}", "${a.b} and ${c}"),
        (r"C:\dir \$5 $x", r"C:\dir \$5 $x"),
        ("${a}", "${a}"),  # an interpolation, and one behind a backslash, stay for OmegaConf
        (r"\\${a}", r"\\${a}"),
    ],
)
def test_an_odd_number_of_backslashes_makes_a_literal(written, meant):
    assert restored(protected(written)) == meant


def test_all_texts_of_nested_content_are_changed_and_nothing_else():
    content = {
        "${key}": [r"\${a}", (r"\${b}", 1, None)],
        "path": Path(r"\${c}"),
        "space": Namespace(text=r"\${d}", below=Namespace(number=1.5)),
    }
    found = restored(protected(content))
    assert found == {
        "${key}": ["${a}", ("${b}", 1, None)],
        "path": Path("${c}"),
        "space": Namespace(text="${d}", below=Namespace(number=1.5)),
    }
    assert content["space"].text == r"\${d}", "the content itself is left as it is"


@pytest.mark.parametrize(
    "argument",
    [r"--a.b=\${x}", r"\${x}", r'--a={"b": ["\\${x}"]}', r"--a=['\${x}', c=d]", r"--a=b=\${x}"],
)
def test_the_escapes_of_an_argument_are_set_apart(argument):
    found = protected_argument(argument)
    assert PLACEHOLDER + "{x}" in found and "${" not in found and "\\" not in found
    assert found.partition("=")[0] == argument.partition("=")[0].replace(r"\$", PLACEHOLDER)


@pytest.mark.parametrize("argument", ["--a=${x}", "--a={b: 1}", r"--a=C:\dir", "--config", "[1, 2"])
def test_other_arguments_stay_as_they_are(argument):
    assert protected_argument(argument) == argument


def test_printed_yaml_gets_its_escapes_back():
    text = "# a comment\n" + as_yaml({"a": PLACEHOLDER + "{x}", "b": [PLACEHOLDER + "{y}\n\x07"], "c": "1e3"})
    found = with_escapes(text)
    assert found.startswith("# a comment\n") and PLACEHOLDER not in found
    assert yaml.safe_load(found) == {"a": r"\${x}", "b": ["\\${y}\n\x07"], "c": "1e3"}
    assert with_escapes("anything: [") == "anything: ["
