"""The check of docstrings and comments finds what does not stand alone, and nothing else."""

from __future__ import annotations

import textwrap

import pytest
from docstrings import main, problems


def lines(source: str) -> list[int]:
    return [line for line, _ in problems(textwrap.dedent(source))]


@pytest.mark.parametrize(
    "docstring",
    [
        "Of the whole fit, where the configuration says so.",
        "That of the forward pass under way.",
        "Where packed sequences stand.",
        "From stripe to stripe.",
        "Size of the batch and that of its images.",
        "Reads a file.\n\n    Args:\n        path: of the file.\n    ",
        "Reads a file.\n\n    Raises:\n        UserError: where it is missing.\n    ",
    ],
)
def test_tails_and_riddles_are_found(docstring):
    assert lines(f'def f(path):\n    """{docstring}"""\n')
    assert lines(f'class A:\n    x: int\n    """{docstring}"""\n')


@pytest.mark.parametrize(
    "docstring",
    [
        "Number of optimiser steps.",
        "Offset, in bytes, of the first row.",
        "Returns the index of the shard that holds a position.",
        "For example 3 of each kind.",
        "Whether the encoder is trained.",
        "Towards a target.",
        "Reads a file.\n\n    Args:\n        path: the file or its folder.\n        of: number of files.\n    ",
        "Reads a file.\n\n    Raises:\n        UserError: if it is missing.\n    ",
    ],
)
def test_phrases_that_stand_alone_are_not(docstring):
    assert not lines(f'def f(path):\n    """{docstring}"""\n')


def test_comments_are_looked_at_and_strings_are_not():
    assert lines("x = 1  # that of the encoder\ny = 'that of the encoder'\n") == [1]


def test_the_exit_status_and_the_lines(tmp_path, capsys):
    (tmp_path / "a.py").write_text('"""Of a."""\n')
    assert main([str(tmp_path)]) == 1
    assert f"{tmp_path}/a.py:1: begins as the tail of a sentence: Of a." in capsys.readouterr().out
    (tmp_path / "a.py").write_text('"""The letter a."""\n')
    assert main([str(tmp_path / "a.py")]) == 0
    assert capsys.readouterr().out == "0 docstrings and comments do not stand alone in 1 files\n"
