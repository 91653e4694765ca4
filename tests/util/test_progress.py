"""Progress line of long work."""

from __future__ import annotations

import re
import time

import pytest

from frozenvl.util.progress import progress_line


@pytest.fixture
def clock(monkeypatch):
    """Clock that only the test advances."""
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


def lines(capsys) -> list[str]:
    return [line for line in capsys.readouterr().err.split("\r") if line.strip()]


def test_progress_starts_at_0_if_the_total_is_known(capsys):
    with progress_line("work", total=5):
        assert "0/5" in lines(capsys)[-1]


def test_the_first_report_has_the_time_since_the_start(capsys, clock):
    with progress_line("work") as report:
        clock[0] += 60
        report(2, 4)
    (rate,) = re.findall(r"([\d.]+)s/it", lines(capsys)[-1])
    assert float(rate) == 30


def test_a_new_total_starts_a_new_count(capsys):
    with progress_line("work") as report:
        report(4, 4)
        report(1, 9)
    assert "1/9" in lines(capsys)[-1]


def test_an_invisible_line_prints_nothing(capsys):
    with progress_line("work", visible=False, total=3) as report:
        report(1, 3)
        report(1, 4)
    assert lines(capsys) == []
