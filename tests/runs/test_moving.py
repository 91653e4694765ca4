"""Whole runs on videos with temporal parts, beside photographs: saved, planned, validated, exported, divided."""

from __future__ import annotations

import json
from itertools import chain, product
from pathlib import Path

import pytest
import torch
from divided_steps import PLAIN, check_divided, whole_step
from running import checkpoint

from frozenvl.cli import main
from frozenvl.data.sources.moving_scenes import MovingSceneQuestions
from frozenvl.model.frozen import FrozenVL
from frozenvl.wording import Template

SOURCE = "frozenvl.data.sources.moving_scenes.MovingSceneQuestions"
SMALL = {"frames": 6, "resolution": 64, "looks": 2}
DATA = tuple(
    option
    for split, size in (("train", 16), ("val", 4))
    for key, value in {"class_path": SOURCE, "init_args": SMALL | {"split": split, "size": size}}.items()
    for option in (
        f"--data.{split}.vqa.source.{key}",
        value if isinstance(value, str) else json.dumps(value),
    )
)
"""Options of a run whose captions are of photographs and whose questions are about videos of six frames."""
PARTS = {
    "FrameEmbedding": ("--model.temporal.frames", 6),
    "MeanOverFrames": (),
    "FrameResampler": (
        "--model.temporal.frames", 6, "--model.mapper", "frozenvl.model.mappers.Resampler", "--model.mapper.layers", 1,
    ),
    "FrameTransformer": ("--model.temporal.frames", 6, "--model.temporal.layers", 1),
}  # fmt: skip
"""Temporal part → options of a tiny instance."""


def moving(name: str) -> tuple[object, ...]:
    """Returns the options of a run with a temporal part."""
    return (*DATA, "--model.temporal", f"frozenvl.model.temporal.{name}", *PARTS[name])


def plain(name: str) -> tuple[object, ...]:
    """Returns the options of a run of one step, without dropout."""
    at = PLAIN.index("--model.mapper.init_args.dropout")
    return PLAIN if name != "FrameResampler" else PLAIN[:at] + PLAIN[at + 2 :]


@pytest.fixture(scope="module", params=PARTS)
def trained(request, drilled) -> tuple[str, Path]:
    """Name of a temporal part, and a checkpoint of a run of one step with it in which frames differ much."""
    name = request.param
    assert drilled("fit", *plain(name), *moving(name), name=name) == 0
    last = (Path("runs") / name / "checkpoints" / "last.ckpt").absolute()
    kept = torch.load(last, weights_only=True)
    torch.manual_seed(1)
    for key, weight in kept["state_dict"].items():
        if "temporal" in key:
            weight += torch.randn_like(weight) * 0.3
    torch.save(kept, last.with_name("shaken.ckpt"))
    return name, last.with_name("shaken.ckpt")


def test_the_weights_of_the_part_are_in_the_checkpoint(trained):
    name, _ = trained
    own = {key for key in checkpoint(name)["state_dict"] if "temporal" in key}
    numbers = {"MeanOverFrames": 0, "FrameTransformer": 16}
    assert len(own) == numbers.get(name, 1) and all(key.startswith("model.temporal.") for key in own)


def test_a_validation_and_an_export_give_the_same_answers(drilled, trained):
    name, file = trained
    assert drilled("validate", "--ckpt_path", file, *moving(name), name=f"{name}-seen") == 0
    lines = Path(f"runs/{name}-seen/evaluation/vqa-0shot/predictions.jsonl").read_text().splitlines()
    answers = {row["id"]: row["generated"] for row in map(json.loads, lines)}
    assert main(["export", str(file), f"exported-{name}"]) == 0
    model, source = FrozenVL.from_pretrained(f"exported-{name}"), MovingSceneQuestions("val", 4, **SMALL)
    assert type(model.temporal).__name__ == name
    template, processor = Template("{image}Question: {question} Answer:", " {target}"), model.processor()
    batch = processor([template.prompt(example) for example in source])
    generated = model.generate(batch, processor, 4, stop=("\n", "Question:"))
    assert dict(zip([example.id for example in source], generated, strict=True)) == answers


def test_a_run_can_be_planned(drilled, trained, capfd):
    name, _ = trained
    assert drilled("plan", *plain(name), *moving(name)) == 0
    assert capfd.readouterr().out.startswith("tiny: ")


@pytest.mark.parametrize(("ranks", "accumulate"), list(product((1, 2), (1, 3))))
def test_one_loss_and_gradient_however_a_step_is_divided(drilled, trained, ranks, accumulate):
    """Some micro-batches have videos alone, others photographs alone."""
    name, file = trained
    whole = whole_step(file)
    assert bool((whole.batch.numbers[:, 0] < 0).any()) and bool((whole.batch.numbers[:, 0] >= 0).any())
    _, gradients = check_divided(drilled, moving(name), file, whole, ranks, accumulate, tolerance=1e-4)
    assert any("temporal" in key for key in gradients) or name == "MeanOverFrames"


def test_a_model_without_the_part_refuses_the_checkpoint(drilled, trained, capfd):
    name, file = trained
    others = [
        option
        for option in zip(PARTS[name][::2], PARTS[name][1::2], strict=True)
        if "temporal" not in option[0]
    ]
    assert drilled("validate", "--ckpt_path", file, *DATA, *chain(*others), name="other") == 2
    assert "was trained with temporal = frozenvl.model.temporal" in capfd.readouterr().err
