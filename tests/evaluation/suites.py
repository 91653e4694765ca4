"""Suites of benchmarks, as the mappings of a YAML file or as objects, and helpers to run them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import yaml
from toy import Rows, question

from frozenvl.cli import main


def scenes(kind: str, split: str = "val", **options) -> dict:
    return {
        "class_path": f"frozenvl.data.sources.scenes.{kind}",
        "init_args": ({"split": split} if kind != "SceneEpisodes" else {}) | {"resolution": 64} | options,
    }


def described(kind: str, **options) -> dict:
    return {"class_path": f"frozenvl.evaluation.{kind}", "init_args": options}


LOOP = {
    "captions": described("Captions", source=scenes("SceneCaptions", size=5), max_new_tokens=5),
    "vqa": described(
        "FewShotVQA",
        source=scenes("SceneQuestions", size=7),
        pool=scenes("SceneQuestions", "train", size=16),
        shots=[0, 2],
        max_new_tokens=4,
    ),
}
"""Benchmarks that tiny.yaml evaluates during training."""
SUITE = LOOP | {
    "naming": described(
        "Naming", episodes={"2way": scenes("SceneEpisodes", size=7)}, choose="mean", induction=[""]
    )
}


def toy(**named) -> dict:
    for name, benchmark in named.items():
        benchmark.name = name
        benchmark.bind({}, {})
    return named


QUESTIONS = Rows(*(question(n) for n in range(5)))
POOL = Rows(*(question(10 + n) for n in range(5)))
CHOICES = ("red", "a large red circle", "blue")
CHOOSING = [question(n, answer="red", choices=CHOICES[: 2 + n % 2]) for n in range(4)]
"""Questions with two or three answer candidates."""


def rows_of(folder: Path) -> dict[str, dict]:
    """Reads the predictions of an evaluation: query id → row."""
    return {r["id"]: r for r in map(json.loads, (folder / "predictions.jsonl").read_text().splitlines())}


KEPT = ("score.json", "predictions.jsonl", "results.json", "shown.json", "gallery.png")
"""The files of an evaluation."""


def result_files(run: Path, files=KEPT) -> dict[str, bytes]:
    """Reads the result files of all evaluations of a run."""
    folders = sorted((run / "evaluation").iterdir())
    return {f"{folder.name}/{file}": (folder / file).read_bytes() for folder in folders for file in files}


def generated_texts(run: Path) -> dict[str, str]:
    """Reads the generated text of each query of each evaluation of a run."""
    return {
        f"{folder.name}/{key}": row["generated"]
        for folder in sorted((run / "evaluation").iterdir())
        for key, row in rows_of(run / "evaluation" / folder.name).items()
    }


def coco(folder: Path, caption: str, colour: str) -> dict:
    """Writes two photographs of one colour with one caption; returns a suite that captions them."""
    folder.mkdir(exist_ok=True)
    images = [{"id": n, "file_name": f"{n}.png"} for n in (1, 2)]
    for image in images:
        PIL.Image.new("RGB", (40, 30), colour).save(folder / image["file_name"])
    captions = [{"id": n, "image_id": n, "caption": caption} for n in (1, 2)]
    (folder / "captions.json").write_text(json.dumps({"images": images, "annotations": captions}))
    files = {"annotations": str(folder / "captions.json"), "images": str(folder)}
    source = {"class_path": "frozenvl.data.sources.coco.CocoCaptions", "init_args": files}
    return {"mine": {"class_path": "frozenvl.evaluation.Captions", "init_args": {"source": source}}}


def copy_of(run: Path, folder: Path) -> Path:
    """Copies a run without its evaluations."""
    return shutil.copytree(run, folder, ignore=shutil.ignore_patterns("evaluation", "events*"))


def evaluate_in(run: Path) -> Callable[..., int]:
    """Returns a function that runs `frozenvl evaluate` on a run and returns the exit status."""

    def command(suite: dict, *options: object, checkpoint: Path = run, batch_size: int = 3) -> int:
        Path("suite.yaml").write_text(yaml.safe_dump({"benchmarks": suite}))
        shared = ["--config", "suite.yaml", "--accelerator", "cpu", "--batch_size", batch_size]
        return main([str(x) for x in ("evaluate", checkpoint, *shared, *options)])

    return command
