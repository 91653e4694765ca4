"""User-facing errors: printed line and exit status."""

from __future__ import annotations

import pytest

from frozenvl import cli
from frozenvl.util.errors import RunError, Stopped, UnreadableImage, UserError


@pytest.mark.parametrize(
    ("error", "status", "printed"),
    [
        (UserError("k is 0"), 2, "frozenvl: error: k is 0\n"),
        (UnreadableImage("a.jpg: no image", "a.jpg"), 2, "frozenvl: error: a.jpg: no image\n"),
        (RunError("disk full"), 1, "frozenvl: error: disk full\n"),
        (RunError("disk full", quiet=True), 1, ""),
        (Stopped("stopped by SIGTERM", 143), 143, "frozenvl: stopped by SIGTERM\n"),
        (Stopped("stopped by SIGTERM", 143, quiet=True), 143, ""),
    ],
    ids=repr,
)
def test_a_command_ends_with_one_line_and_a_status(monkeypatch, capsys, error, status, printed):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "dispatch", fail)
    assert cli.main(["fit"]) == status
    assert capsys.readouterr().err == printed


def test_the_error_of_an_unreadable_image_holds_the_image():
    image = object()
    assert UnreadableImage("a", image).image is image and UnreadableImage("a").image is None
    assert issubclass(UnreadableImage, UserError) and not issubclass(UnreadableImage, RunError)
