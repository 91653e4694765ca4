"""Progress line of long work."""

from __future__ import annotations

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
    text = capsys.readouterr().err
    assert "\r" not in text  # no terminal: a log
    return text.splitlines()


def test_progress_starts_at_0_if_the_total_is_known(capsys):
    with progress_line("work", "images", total=5):
        assert lines(capsys) == ["work: 0/5 images [00:00<?, ? images/s]"]


def test_the_first_report_has_the_time_since_the_start(capsys, clock):
    with progress_line("work", "images") as report:
        clock[0] += 60
        report(120, 240)
    assert lines(capsys)[-1] == "work: 120/240 images [01:00<01:00,  2.00 images/s]"


def test_a_new_total_starts_a_new_count(capsys):
    with progress_line("work", "images") as report:
        report(4, 4)
        report(1, 9)
    assert "1/9" in lines(capsys)[-1]


def test_an_invisible_line_prints_nothing(capsys):
    with progress_line("work", "images", visible=False, total=3) as report:
        report(1, 3)
        report(1, 4)
    assert lines(capsys) == []


def test_a_log_gets_a_line_every_30_seconds_and_no_line_twice(capsys, clock):
    with progress_line("work", "images", total=100) as report:
        for done in range(1, 101):
            clock[0] += 1
            report(done, 100)
    counts = [line.split()[1] for line in lines(capsys)]
    assert counts == ["0/100", "30/100", "60/100", "90/100", "100/100"]


def test_a_bar_within_a_bar_moves_no_cursor_in_a_log(capsys, clock):
    with progress_line("outer", "steps", total=2) as outer:
        for done in (1, 2):
            with progress_line("inner", "batches", total=1) as inner:
                clock[0] += 40
                inner(1, 1)
            outer(done, 2)
    text = capsys.readouterr().err
    assert "\x1b" not in text
    counts = [" ".join(line.split()[:2]) for line in text.splitlines()]
    assert counts == [
        "outer: 0/2",
        *["inner: 0/1", "inner: 1/1", "outer: 1/2"],
        "inner: 0/1",
        "inner: 1/1",
        "outer: 2/2",
    ]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_terminal_gets_one_line_that_fits(capsys, clock, monkeypatch, columns):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda _: (columns, 25))
    with progress_line("features of a long name", "images", total=10**7) as report:
        for done in (10**5, 10**6):
            clock[0] += 1
            report(done, 10**7)
    shown = capsys.readouterr().err.removesuffix("\n")
    assert "\n" not in shown
    states = [state.rstrip() for state in shown.split("\r") if state.strip()]
    assert len(states) > 2 and all(len(state) <= columns for state in states)
