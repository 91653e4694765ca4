"""Suites for `frozenvl evaluate`, described as a YAML file would, or made of examples that a test spells out."""

from __future__ import annotations

import json
from pathlib import Path

from toy import Rows, question


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
"""What tiny.yaml evaluates in the loop."""
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


def rows_of(folder: Path) -> dict[str, dict]:
    """The predictions of an evaluation by query id."""
    return {r["id"]: r for r in map(json.loads, (folder / "predictions.jsonl").read_text().splitlines())}
