"""Resolution of model names, and errors of loading; a local server replaces the Hugging Face hub."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from frozenvl.pretrained import names, zoo
from frozenvl.util.errors import UserError


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "home"))
    return zoo.models()


def test_names_resolve_to_folders_or_hub_names(cache, tmp_path, monkeypatch):
    for name in ("gpt2", "HuggingFaceTB/SmolLM2-135M-Instruct", "hf-hub:timm/resnet18.a1_in1k"):
        assert names.resolve(name) == name
    with pytest.raises(UserError) as caught:
        names.resolve("smollm2-135m-instruct")
    assert str(caught.value) == (
        "SmolLM2-135M-Instruct: not fetched yet; run `frozenvl fetch SmolLM2-135M-Instruct`"
    )
    fetched = cache / "SmolLM2-135M-Instruct"
    fetched.mkdir(parents=True)
    assert names.resolve("SmolLM2-135M-Instruct") == names.resolve("smollm2-135m-instruct") == fetched
    assert names.resolve(str(tmp_path)) == tmp_path
    for path in ("", "./nothing", "../nothing", "~/nothing-of-this-name", "/nothing", "a/b/c"):
        with pytest.raises(UserError, match="no such folder"):
            names.resolve(path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "SmolLM2-135M-Instruct").mkdir()
    assert names.resolve("SmolLM2-135M-Instruct") == Path("SmolLM2-135M-Instruct")


def one_line(load, name: str) -> str:
    with pytest.raises(UserError) as caught, names.loading(name) as where:
        load(where)
    message = str(caught.value)
    assert "\n" not in message and name in message and "frozenvl fetch" in message
    return message


def test_a_folder_that_is_no_model_is_one_error_line(tmp_path):
    from transformers import AutoConfig

    assert "config.json" in one_line(AutoConfig.from_pretrained, str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "lla')
    assert "cannot be loaded" in one_line(AutoConfig.from_pretrained, str(tmp_path))


def test_user_errors_pass_unchanged(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"^mine$"), names.loading(str(tmp_path)):
        raise UserError("mine")


@pytest.fixture
def hub(monkeypatch):
    """Local server that answers like a hub without models."""
    import huggingface_hub
    import huggingface_hub.constants

    class NothingHere(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NothingHere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    huggingface_hub.close_session()  # the next client reads the environment again
    yield server
    server.shutdown()
    server.server_close()


def test_a_model_missing_on_the_hub_is_an_error(hub):
    program = """
from huggingface_hub import hf_hub_download
from frozenvl.pretrained import names
with names.loading("frozenvl-tests/nothing") as name:
    hf_hub_download(name, "config.json")
"""
    # in a new process, since the hub's client reads its address only once
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HUB_OFFLINE": "0"}
    root = Path(names.__file__).parents[2]
    python = [sys.executable, "-c", program]
    printed = subprocess.run(python, env=environment, cwd=root, capture_output=True, text=True).stderr
    assert "UserError: frozenvl-tests/nothing: the Hugging Face hub has no such model" in printed


def test_an_unreachable_hub_is_one_error_line(hub, monkeypatch):
    import timm
    from huggingface_hub import constants
    from transformers import AutoConfig, AutoTokenizer

    hub.shutdown()
    hub.server_close()
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    for load in (
        AutoConfig.from_pretrained,
        AutoTokenizer.from_pretrained,
        lambda name: timm.create_model(f"hf-hub:{name}", pretrained=True),
    ):
        assert "hub cannot be reached" in one_line(load, "frozenvl-tests/nothing")
    assert not waits, "the hub's client retried"
    assert constants.HF_HUB_OFFLINE is False


@pytest.mark.parametrize(
    ("terminal", "rank", "shown"), [(True, "0", True), (True, "1", False), (False, "0", False)]
)
def test_the_bar_of_a_models_tensors_is_hidden_in_logs_and_on_other_ranks(
    tmp_path, monkeypatch, terminal, rank, shown
):
    from transformers.utils import logging

    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("LOCAL_RANK", rank)
    before = logging.is_progress_bar_enabled()
    with names.loading(str(tmp_path)):
        assert logging.is_progress_bar_enabled() is shown
    assert logging.is_progress_bar_enabled() is before
