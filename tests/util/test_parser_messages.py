"""Messages of jsonargparse in one line, with what was probably meant."""

from __future__ import annotations

import pytest

import frozenvl.model.mappers
from frozenvl.util.parser_messages import nearest, one_line, refused_by_class, suggestion, unknown_key

UNION = """Parser key "model.objectives":
  - Expected a path but {} either not accessible or invalid
  - Does not validate against any of the Union subtypes
    Subtypes: [dict[str, frozenvl.objectives.objective.Objective], <class 'NoneType'>]
    Errors:
      - %s
      - Expected a <class 'NoneType'>
    Given value type: <class '%s'>
    Given value: %s"""


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            "Parser key \"model.k\": Expected a <class 'int'>. Got value: three",
            "model.k: Expected a <class 'int'>. Got value: three",
        ),
        ("unrecognized arguments: --nope", "unrecognized arguments: --nope"),
        (
            "argument <lambda>(name) --> trainer.default_root_dir: invalid Union value: 'x'",
            "trainer.default_root_dir is set by --name; give that instead",
        ),
        (
            UNION
            % (
                "Problem with given class_path 'nowhere.Objective':\n No module named 'nowhere'",
                "dict",
                "{}",
            ),
            "model.objectives: Problem with given class_path 'nowhere.Objective': No module named 'nowhere'; name a "
            "class by the path from which Python imports it, package.module.Class",
        ),
        (
            UNION % ("Import path x.MLP does not correspond to a subclass of Objective", "dict", "{}"),
            "model.objectives: Import path x.MLP does not correspond to a subclass of Objective; name one",
        ),
        (
            UNION % ("Import path does not correspond to a subclass of Objective", "str", "x.MLP"),
            "model.objectives: x.MLP does not correspond to a subclass of Objective; name one",
        ),
    ],
)
def test_nested_messages_become_the_key_and_the_innermost_message(message, line):
    assert one_line(message) == line


def test_a_long_message_is_cut():
    cut = one_line('Parser key "model.k": ' + "word " * 200)
    assert len(cut) == 398 and cut.endswith("…") and cut.startswith("model.k: word")


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("module 'frozenvl.model.mappers' has no attribute 'Linar'", "; did you mean Linear?"),
        ("class_path 'frozenvl.model.mappers.MLP': Option 'hiden' is not accepted", "; did you mean hidden?"),
        (
            "class_path 'frozenvl.model.fusion.Add': class_path 'frozenvl.model.mappers.MLP': Option 'hiden' is not "
            "accepted. Got value: Namespace(class_path='frozenvl.model.fusion.Add'",
            "; did you mean hidden?",
        ),
        (
            "Option 'x' is not accepted. Got value: Namespace(class_path='frozenvl.model.mappers.MLP'",
            "; there are ",
        ),
        ("module 'nowhere' has no attribute 'X'", ""),
        ("Option 'x' is not accepted", ""),
        ("Expected a <class 'int'>", ""),
    ],
)
def test_a_class_or_argument_that_was_meant_is_named(message, meant):
    assert "MLP" in frozenvl.model.mappers.__all__
    assert suggestion(message).startswith(meant) and bool(suggestion(message)) == bool(meant)


def test_an_unknown_key_is_named_with_a_key_of_the_same_ending_first():
    known = ["model.k", "model.optimizer", "trainer.max_steps"]
    lines = [str(unknown_key(key, known)) for key in ("k", "modle.k", "model.optimiser", "zzz")]
    assert lines[:2] == [
        "k is not in the configuration; did you mean model.k?",
        "modle.k is not in the configuration; did you mean model.k?",
    ]
    assert lines[2].endswith("did you mean model.optimizer?")
    assert lines[3] == "zzz is not in the configuration; `frozenvl fit --help` lists the keys"


def test_without_a_close_word_all_are_listed():
    assert nearest("gird", ["grid", "seeds"]) == "did you mean grid?"
    assert nearest("x", ["grid", "seeds"]) == "there are grid, seeds"


def test_a_class_that_refuses_its_arguments_is_named():
    union = """Does not validate against any of the Union subtypes
        Subtypes: [list[Callback], <class 'Callback'>, <class 'NoneType'>]
        Errors:
          - Empty dict cannot be interpreted correct
          - Not a valid subclass of Callback
            Subclass types expect one of:
            - a class path (str)"""
    line = "a Callback in the configuration refuses its arguments: Empty dict cannot be interpreted correct"
    assert refused_by_class(union) == line
    assert refused_by_class("zip() argument 2 is longer than argument 1") is None
