"""Lines of results and notes."""

from __future__ import annotations

import os

from frozenvl.retrieval.printing import note_unreadable, row


def test_cells_have_tabs_between_and_odd_file_names_are_printed(capsys):
    row(1, "0.5", os.fsdecode(b"a\xff.png"))
    assert capsys.readouterr().out == "1\t0.5\ta\ufffd.png\n"


def test_unreadable_images_are_listed_and_counted(capsys):
    note_unreadable([])
    assert capsys.readouterr().err == ""
    note_unreadable(["a: bad", "b: bad"])
    assert capsys.readouterr().err == (
        "frozenvl: a: bad\nfrozenvl: b: bad\nfrozenvl: 2 unreadable images were left out\n"
    )
