"""What can be completed, read from parsers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Literal

import pytest

from frozenvl.cli import EXPERIMENT, SMALL
from frozenvl.completion import commands
from frozenvl.completion.commands import Option, all_commands, command_of, one_line, values_of_type
from frozenvl.model.mappers import Mapper


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser("x", add_help=False)
    parser.add_argument("checkpoint", help="a checkpoint, or the folder of a run")
    parser.add_argument("--mode", "-m", choices=["fast", "slow"], help="how fast. And more of it.")
    parser.add_argument("--dry", action="store_true", help="at 50 %% of the\n   work")
    parser.add_argument("--secret", help=argparse.SUPPRESS)
    actions = parser.add_subparsers()
    actions.add_parser("pack", help="packs").add_argument("size", choices=[1, 2])
    return parser


def test_options_actions_and_values(parser):
    command = command_of("x", "does x", parser)
    assert command.options == (
        Option("--mode", "how fast", True, ("fast", "slow")),
        Option("-m", "how fast", True, ("fast", "slow")),
        Option("--dry", "at 50 % of the work", False),
    )
    (pack,) = command.actions
    assert (pack.name, pack.help, pack.values, pack.takes_runs) == ("pack", "packs", ("1", "2"), False)
    assert command.takes_runs and command.values == ()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (bool, ["true", "false"]),
        (Literal["a", 1] | None, ["a", "1", "null"]),
        (int | bool, ["true", "false"]),
        (dict[str, bool], []),
        (str, []),
        (None, []),
    ],
)
def test_values_of_types(kind, values):
    assert list(values_of_type(kind)) == values


@pytest.mark.parametrize("kind", [Mapper, Mapper | None, Callable[[int, int, int, int], Mapper]])
def test_a_class_stands_for_the_class_paths_of_its_subclasses(kind):
    assert "frozenvl.model.mappers.Linear" in values_of_type(kind)


def test_help_in_one_line():
    assert one_line("The first. The second.") == "The first" and one_line("") == ""


@pytest.mark.nightly
def test_every_command_is_read():
    known = {command.name: command for command in all_commands()}
    assert known.keys() == {*EXPERIMENT, *SMALL}
    options = {option.name: option for option in known["fit"].options}
    assert "frozenvl.model.fusion.CrossAttention" in options["--model.fusion"].values
    assert options["--data.blind"].values == ("true", "false") and "--ckpt_path" in options
    assert {action.name for action in known["data"].actions} >= {"check", "pack"}
    assert all(known[name].takes_runs for name in ("ask", "caption", "chat", "report", "compare", "export"))


def test_commands_that_need_no_experiment_parser(monkeypatch):
    monkeypatch.setattr("frozenvl.cli.EXPERIMENT", {})
    monkeypatch.setattr("frozenvl.cli.SMALL", {"doctor": "checks"})
    (doctor,) = commands.all_commands()
    assert {option.name for option in doctor.options} == {"-h", "--help", "--report", "--only"}
