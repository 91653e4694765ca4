"""`frozenvl serve`."""

from __future__ import annotations

import importlib.util
import socket
from contextlib import contextmanager

import pytest
from running import one_line

from frozenvl.cli import main
from frozenvl.serve import server


@pytest.fixture
def free() -> str:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def refused(capsys, *words: str) -> str:
    assert main(["serve", *words]) == 2
    return one_line(capsys.readouterr().err)


def test_bad_input_is_one_line_before_a_model_is_loaded(tiny_run, free, capsys, monkeypatch):
    run = str(tiny_run)
    assert "nowhere: not a folder" in refused(capsys, run, "--images", "nowhere", "--port", free)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "already in use" in refused(capsys, run, "--port", str(taken.getsockname()[1]))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'frozenvl[serve]'" in refused(capsys, run, "--port", free)


def test_what_is_no_run_is_one_line(free, capsys, tmp_path):
    pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'frozenvl[serve]'")
    assert "no such checkpoint" in refused(capsys, str(tmp_path), "--port", free)


def test_images_need_an_embedding_head(tiny_run, free, capsys, pictures, tmp_path):
    pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'frozenvl[serve]'")
    line = refused(capsys, str(tiny_run), "--images", str(tmp_path), "--port", free)
    assert "has no embedding head" in line


def test_another_host_gets_a_warning(tiny_run, free, capsys, monkeypatch):
    @contextmanager
    def served(checkpoints, images, host, port):
        yield f"http://{host}:{port}/"

    monkeypatch.setattr(server, "served", served)
    monkeypatch.setattr(server, "wait", lambda: None)
    monkeypatch.setattr(server, "check_gradio", lambda: None)
    assert main(["serve", str(tiny_run), "--port", free]) == 0
    out, err = capsys.readouterr()
    assert out == f"frozenvl: http://127.0.0.1:{free}/ (Ctrl-C ends)\n" and not err
    assert main(["serve", str(tiny_run), "--port", free, "--host", "0.0.0.0"]) == 0
    assert "it asks for no password" in capsys.readouterr().err
