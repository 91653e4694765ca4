"""What all writers have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from frozenvl.data.convert import WRITERS
from frozenvl.data.writers.writer import Writer


@pytest.mark.parametrize("layout", WRITERS)
def test_a_writer_names_the_source_that_reads_its_folder(layout):
    kind = WRITERS[layout]
    name, *arguments = kind.reader(Path("made"))
    assert issubclass(kind, Writer) and name[0].isupper()
    assert all(option.startswith("--") for option in arguments[::2]) and "made" in arguments[1]
