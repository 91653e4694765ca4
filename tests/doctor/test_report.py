"""Text for a bug report."""

from __future__ import annotations

from pathlib import Path

from frozenvl.doctor import report


def test_a_report_names_no_person_and_no_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ada"))
    monkeypatch.setattr(report.getpass, "getuser", lambda: "ada")
    monkeypatch.setattr(report.socket, "gethostname", lambda: "box")
    monkeypatch.chdir(tmp_path)
    text = f"/home/ada/x, {tmp_path}/runs, /scratch/ada/y on box, sandbox and adapters"
    assert report.without_names(text) == "~/x, ./runs, /scratch/USER/y on HOST, sandbox and adapters"


def test_a_user_without_a_name(monkeypatch):
    def unknown():
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(report.getpass, "getuser", unknown)
    monkeypatch.setenv("USER", "")
    assert report.without_names("a text") == "a text"


def test_the_root_is_not_replaced(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/"))
    monkeypatch.chdir("/")
    assert report.without_names("/data/x") == "/data/x"
