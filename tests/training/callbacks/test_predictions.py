"""Predictions of `frozenvl predict`."""

from __future__ import annotations

import json
from pathlib import Path


def test_predictions_are_the_same_on_any_number_of_ranks(frozenvl, tiny_run):
    at = ("--ckpt_path", tiny_run / "checkpoints" / "last.ckpt")
    files = []
    for ranks in (1, 3):
        assert frozenvl("predict", *at, name=f"on{ranks}", ranks=ranks) == 0
        files.append(Path(f"runs/on{ranks}/predictions.jsonl").read_text())
    assert files[0] == files[1]
    rows = [json.loads(line) for line in files[0].splitlines()]
    captions = [("captions", f"scenes/val/caption/{i}") for i in range(5)]
    assert [(row["task"], row["id"]) for row in rows] == captions + [
        ("vqa", f"scenes/val/question/{i}") for i in range(7)
    ]
    assert all("\n" not in row["text"] for row in rows)
