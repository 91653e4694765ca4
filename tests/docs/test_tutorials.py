"""Runs the commands and code of the tutorial pages, with tiny models and little data."""

from __future__ import annotations

import csv
import json
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from chat_models import CHATML, chat_model

from frozenvl.cli import main
from frozenvl.data.sources.scenes import SceneCaptions

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs/tutorials"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"\n]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SHORTER = {"max_steps: 300": "max_steps: 3", "val_check_interval: 100": "val_check_interval: 3"}


def run_page(name: str, other: Mapping[str, str] = MappingProxyType({})) -> None:
    """Writes the files with a title and runs the commands of a page, in their order.

    Args:
        name: name of the page.
        other: texts to replace, such as the names of models.
    """
    for language, title, text in BLOCK.findall((TUTORIALS / f"{name}.md").read_text(encoding="utf-8")):
        if title:
            for long, short in (SHORTER | dict(other)).items():
                text = text.replace(long, short)
            Path(title).write_text(text, encoding="utf-8")
        elif language == "bash":
            for line in text.splitlines():
                program, *arguments = [other.get(word, word) for word in shlex.split(line)]
                if program == "python":
                    runpy.run_path(arguments[0])
                elif arguments != ["fetch"]:
                    assert main(arguments) == 0, line


def tiny_configuration(name: str, language: Path, vision: Path) -> dict[str, Any]:
    """Returns a published configuration with tiny models, few steps and little data."""
    config = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    config["model"] |= {
        "language": str(language),
        "k": 2,
        "precision": "fp32",
        "warmup_steps": 0,
        "bos": False,
    }
    config["model"]["vision"]["init_args"] |= {"name": str(vision), "grid": 1}
    mapper = config["model"]["mapper"]
    if mapper["class_path"].endswith("PatchLinear"):
        config["model"]["k"] = 1
    else:
        mapper["init_args"]["hidden"] = 16
    config["data"] |= {"batch_size": 8, "eval_batch_size": 8}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    config["trainer"] |= quiet | {"max_steps": 2, "val_check_interval": 2, "log_every_n_steps": 1}
    for tasks in (config["data"]["train"], config["data"]["val"]):
        for task in tasks.values():
            if "scenes" in task["source"]["class_path"]:
                task["source"]["init_args"] |= {"size": 16, "resolution": 64}
    for callback in config["trainer"]["callbacks"]:
        if "max_new_tokens" in callback["init_args"]:
            callback["init_args"]["max_new_tokens"] = 4
        if "every_n_train_steps" in callback["init_args"]:
            callback["init_args"]["every_n_train_steps"] = 2
    return config


@pytest.fixture
def desk(tmp_path, monkeypatch, tiny_language, tiny_vision, feature_home) -> Path:
    """Working folder of a reader: configurations, photographs and a table of captions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("my_encoder", "my_mapper", "my_objective", "my_source", "squares"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "configs").mkdir()
    for name in ("demo", "flickr8k", "scenes"):
        content = tiny_configuration(name, tiny_language, tiny_vision)
        (tmp_path / "configs" / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (tmp_path / "photos").mkdir()
    for table, numbers in (("captions.csv", range(1, 13)), ("val.csv", range(13, 16))):
        with Path(table).open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["file", "caption"])
            for number in numbers:
                scene = SceneCaptions("val", 20, resolution=64)[number]
                scene.image.read().save(f"photos/{number:04}.jpg")
                rows.writerows([f"photos/{number:04}.jpg", text] for text in scene.targets[:2])
    return tmp_path


@pytest.mark.nightly
def test_own_images(desk, capsys):
    run_page("own_images")
    printed = capsys.readouterr().out
    assert "train 10 images 20 captions" in printed and "val 2 images 4 captions" in printed
    assert "all can be used" in printed and "photos/0001.jpg\t" in printed
    for run in ("mine", "mine-blind"):
        assert (desk / "runs" / run / "evaluation/captions/score.json").is_file()


@pytest.mark.nightly
def test_few_shot(desk, tiny_run, capsys):
    shutil.copytree(tiny_run, "runs/demo")
    run_page("few_shot")
    folders = {path.parent.name for path in Path("runs/demo/evaluation").glob("questions-*/score.json")}
    assert len(folders) == 2 * (1 + 2 * 2), "two views of no shot, and of two numbers of shots with two seeds"
    assert "questions overall, 4 shots" in capsys.readouterr().out
    assert "<svg" in Path("few_shot/report.html").read_text()


def test_retrieval(desk, tiny_language, tiny_vision, capsys):
    config = yaml.safe_load((ROOT / "configs/retrieval.yaml").read_text())
    config["model"] |= {"language": str(tiny_language), "precision": "fp32", "warmup_steps": 0, "bos": False}
    for encoder in config["model"]["vision"]["init_args"]["encoders"]:
        encoder["init_args"] = {"name": str(tiny_vision)}
    config["model"]["heads"]["retrieval"]["init_args"] |= {"layers": [0, 1, 2], "dim": 8}
    config["data"]["batch_size"] = 8
    config["trainer"] |= {"accelerator": "cpu", "max_steps": 2, "val_check_interval": 2}
    config["trainer"]["callbacks"][-1]["init_args"]["every_n_train_steps"] = 2
    Path("configs/retrieval.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    shutil.copytree(ROOT / "configs/evaluation", "configs/evaluation")
    for folder in ("annotations", "images"):
        Path("DATA/flickr8k", folder).mkdir(parents=True)
    for part, numbers in (("train", range(1, 11)), ("val", range(11, 16))):
        scenes = {number: SceneCaptions("val", 20, resolution=64)[number] for number in numbers}
        images = [{"id": number, "file_name": f"{number}.png"} for number in numbers]
        rows = [(number, text) for number in numbers for text in scenes[number].targets[:2]]
        captions = [{"id": row, "image_id": image, "caption": text} for row, (image, text) in enumerate(rows)]
        file = Path(f"DATA/flickr8k/annotations/captions_{part}.json")
        file.write_text(json.dumps({"images": images, "annotations": captions}))
        for number in numbers:
            scenes[number].image.read().save(f"DATA/flickr8k/images/{number}.png")
    shutil.copy("photos/0001.jpg", "photo.jpg")
    Path("captions.txt").write_text("a red circle\ntwo blue stars\n")
    run_page("retrieval")
    printed = capsys.readouterr().out
    assert "rsum" in printed and printed.count("photos/00") >= 12 and "cosine\tmatch\tdifference" in printed
    assert Path("found.png").is_file() and Path("photos.npz").is_file() and Path("photos/.frozenvl").is_dir()
    assert main(["export", "runs/retrieval", "exported"]) == 0
    blocks = BLOCK.findall((TUTORIALS / "retrieval.md").read_text(encoding="utf-8"))
    (code,) = (text for language, _, text in blocks if language == "python")
    capsys.readouterr()
    exec(compile(code, "retrieval.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 1 + 3


def test_llava(desk, tmp_path, tiny_vision, capsys):
    (tmp_path / "chat").mkdir()
    models = {
        "SmolLM2-135M-Instruct": str(chat_model(tmp_path / "chat", CHATML)),
        "EfficientNet-Lite0": str(tiny_vision),
        "grid: 4": "grid: 1",
        "k: 16": "k: 1",
        "batch_size: 16": "batch_size: 4",
        "every_n_train_steps: 100": "every_n_train_steps: 3",
        "ask_share: 0.05": "ask_share: 0.3",
        "max_steps: 300\n  val_check_interval: 100": "max_steps: 3\n  val_check_interval: 3",
    }
    said = lambda *texts: [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]
    scenes = {number: SceneCaptions("val", 20, resolution=64)[number] for number in range(1, 16)}
    talks = [
        {
            "id": str(number),
            "image": f"{number:04}.jpg",
            "conversations": said(
                "<image>\nWhat is shown?", scene.targets[0], "Say it again.", scene.targets[1]
            ),
        }
        for number, scene in scenes.items()
    ]
    talks.append({"id": "text", "conversations": said("Hello?", "Hi.")})
    Path("talks.json").write_text(json.dumps(talks))
    run_page("llava", models)
    printed = capsys.readouterr().out
    assert (
        "talks.json: LLaVA's conversations JSON" in printed and "16 examples, 15 images, 31 texts" in printed
    )
    assert "<|im_start|>assistant\n⟦" in printed
    for run in ("talks", "talks-lora"):
        assert Path(f"runs/{run}/checkpoints/last.ckpt").is_file()
    first, second = (
        yaml.safe_load(Path(f"runs/{run}/config.yaml").read_text()) for run in ("talks", "talks-lora")
    )
    assert first["model"]["tuning"] is None and second["model"]["tuning"]["class_path"].endswith("LoRA")


def test_add_encoder(desk):
    run_page("add_encoder")
    vision = yaml.safe_load(Path("runs/small-cnn/config.yaml").read_text())["model"]["vision"]
    assert vision["class_path"] == "my_encoder.SmallCNN" and vision["init_args"]["channels"] == 32


def test_add_objective(desk):
    run_page("add_objective")
    history = Path("runs/norm/history.jsonl").read_text()
    assert all(f'"{key}"' in history for key in ("train/captions", "train/norm", "val/captions", "val/norm"))


def test_add_source(desk, capsys):
    run_page("add_source")
    printed = capsys.readouterr().out
    assert "10 examples, 10 images, 20 texts to train on" in printed
    assert "3 examples, 3 images, 3 texts to train on" in printed
    assert Path("runs/remarks/checkpoints/last.ckpt").is_file() and Path("sheet.png").is_file()
    rows = json.loads(Path("remarks.json").read_text())
    rows[3]["remarks"], rows[4] = None, rows[5]
    Path("remarks.json").write_text(json.dumps(rows))
    assert main(["data", "check", "my_source.Remarks", "--file", "remarks.json"]) == 2
    message = capsys.readouterr().err
    assert "remarks.json: 2 problems" in message and "record [3]: 'remarks' is null, not a text" in message
    assert "image photos/0006.jpg stands twice" in message


def test_the_class_of_the_page_on_sources_is_short():
    blocks = BLOCK.findall((TUTORIALS / "add_source.md").read_text(encoding="utf-8"))
    (code,) = (text for _, title, text in blocks if title == "my_source.py")
    lines = [line for line in re.sub(r'""".*?"""', "", code, flags=re.DOTALL).splitlines() if line.strip()]
    assert len(lines) <= 20


def test_the_mapper_of_the_architecture_page(desk):
    blocks = BLOCK.findall((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
    (code,) = (text for _, title, text in blocks if title == "my_mapper.py")
    Path("my_mapper.py").write_text(code)
    mapper = ["--model.mapper", "my_mapper.MeanMapper", "--model.mapper.scale", "0.5"]
    assert main(["fit", "--config", "configs/demo.yaml", *mapper]) == 0
    arguments = yaml.safe_load(Path("runs/demo/config.yaml").read_text())["model"]["mapper"]["init_args"]
    assert arguments["scale"] == 0.5


def test_every_tutorial_is_run():
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {page.stem for page in TUTORIALS.glob("*.md")} <= tests
