"""The command line: fast help, and one error line for a bad command."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from running import one_line

from frozenvl import cli
from frozenvl.util.errors import UserError


def test_help_lists_every_command_and_imports_nothing_large():
    look = "import sys; from frozenvl.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    *usage, modules = done.stdout.splitlines()
    for name, line in (cli.EXPERIMENT | cli.SMALL).items():
        assert any(row.split() == [name, *line.split()] for row in usage)
    assert not {"torch", "lightning", "transformers", "jsonargparse", "numpy"} & set(modules.split())


def test_every_command_is_there():
    folder = Path(cli.__file__).parent / "commands"
    files = {
        f"frozenvl.commands.{path.stem}" for path in folder.glob("[!_]*.py") if path.stem != "experiment"
    }
    assert files == set(map(cli.module_of, cli.SMALL))


def test_lightning_is_the_same_command():
    scripts = {e.name: e.value for e in distribution("frozenvl").entry_points if e.group == "console_scripts"}
    assert scripts["frozenvl"] == scripts["lightning"] == "frozenvl.cli:main"


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_usage(arguments, capsys):
    assert cli.main(arguments) == 0
    assert "usage: frozenvl COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fitt"], "no command 'fitt'; did you mean fit?"),
        (["bake"], "no command 'bake'; there are fit, validate"),
        (["report", "runs", "--oit", "x"], "unrecognized arguments: --oit x (did you mean --out?)"),
        (["report", "runs", "--xyzzy", "x"], "--xyzzy x (`frozenvl report --help` lists its options)"),
        (["caption"], "the following arguments are required: checkpoint, IMAGE"),
        (["caption", "runs/x", "a.jpg", "--nope"], "--nope"),
        (["caption", "runs/x", "nowhere.jpg"], "nowhere.jpg: no such image"),
        (["ask", "runs/x", "text.jpg", "What?"], "text.jpg: not a readable image"),
        (["ask", "runs/x", "nowhere.jpg"], "required: question"),
        (["fit"], "model.language"),
    ],
    ids=str,
)
def test_a_bad_command_is_one_error_line(frozenvl, arguments, said, capfd):
    Path("text.jpg").write_text("hello")
    assert cli.main(arguments) == 2
    assert said in one_line(capfd.readouterr().err)


def test_debug_shows_the_traceback():
    with pytest.raises(UserError, match="no command 'fitt'"):
        cli.main(["fitt", "--debug"])


def test_a_lost_database_connection_in_a_sweep_is_one_error_line():
    from optuna.exceptions import StorageInternalError

    try:
        raise StorageInternalError("An exception is raised\nduring the commit") from OSError("closed")
    except StorageInternalError as error:
        said, status = cli.explain(error)
    assert status == 1 and said.startswith(
        "the sweep's storage cannot be reached any more (An exception is raised during"
    )
