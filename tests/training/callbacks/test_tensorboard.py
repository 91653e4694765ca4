"""TensorBoard of a resumed run: each step once, as in history.jsonl."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from running import add, history

VALIDATED = ("--trainer.max_steps", 8, "--trainer.val_check_interval", 4, "--model.schedule", "constant")


def events(run: str = "tiny"):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(f"runs/{run}", size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def points(run: str = "tiny") -> dict[str, list[tuple[int, float]]]:
    found = events(run)
    tags = [tag for tag in found.Tags()["scalars"] if not tag.startswith(("time/", "speed/"))]
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in tags}


@pytest.fixture
def whole(drilled):
    """Points and gallery steps of a run that was not interrupted."""
    if not Path("runs/whole").exists():
        assert drilled("fit", *VALIDATED, name="whole") == 0
    return points("whole"), [image.step for image in events("whole").Images("captions/gallery")]


def on(*options: object) -> tuple:
    return (*VALIDATED, "--resume", "true", *options)


@pytest.mark.parametrize("step", [3, 5, 7])
def test_steps_after_the_checkpoint_are_there_once(drilled, whole, step):
    """Checkpoints of every second step; the validation of step 4 is done, except after step 3."""
    name = f"cut{step}"
    assert drilled("fit", *VALIDATED, *add("probes.StopLater", step=step), name=name) == 1
    assert drilled("fit", *on(), name=name) == 0
    found = points(name)
    assert found.keys() == whole[0].keys()
    for tag, expected in whole[0].items():
        assert found[tag] == expected, tag
    assert [row["step"] for row in history(name)] == [row["step"] for row in history("whole")]
    assert [image.step for image in events(name).Images("captions/gallery")] == whole[1] == [4, 8]


def test_a_validation_that_is_repeated_is_there_once(drilled, whole):
    """The process ends after the validation of step 4, before a checkpoint knows that it is done."""
    stop = ("--trainer.max_steps", 4, "--data.workers", 0)
    assert drilled("fit", *VALIDATED, *stop, *add("probes.StopAfterValidation", step=4), name="twice") == 1
    assert any(row["step"] == 4 and "val/loss" in row for row in history("twice"))
    assert drilled("fit", *on(), name="twice") == 0
    found = points("twice")
    assert {tag: found[tag] for tag in whole[0]} == whole[0]
    assert [image.step for image in events("twice").Images("captions/gallery")] == [4, 8]


def test_a_run_that_goes_on_from_an_earlier_checkpoint_hides_what_came_after(drilled, whole):
    shutil.copytree("runs/whole", "runs/back")
    before = Counter(step for step, _ in points("back")["train/loss"])
    assert max(before.values()) == 1
    last = ("--ckpt_path", "runs/back/checkpoints/step=2.ckpt", "--trainer.max_steps", 3)
    assert drilled("fit", *VALIDATED, *last, name="back") == 0
    assert [step for step, _ in points("back")["train/loss"]] == [0, 1, 2]
    assert "val/loss" not in points("back") or points("back")["val/loss"] == []
