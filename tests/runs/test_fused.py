"""Whole runs with fusions inside the layers: saved, validated, exported, resumed, divided, evaluated with few shots."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
from divided_steps import PLAIN, check_divided, whole_step
from fused_runs import ONLY_CHECKPOINTS, OPTIONS, fused, shaken
from running import add, checkpoint, history, same_weights

from frozenvl.cli import main
from frozenvl.data.sources.scenes import SceneCaptions, SceneQuestions
from frozenvl.evaluation import FewShotVQA, Fixed
from frozenvl.evaluation.suite import run_suite, session_of
from frozenvl.model.frozen import FrozenVL
from frozenvl.training.optim import parameter_groups
from frozenvl.training.trained_run import load_trained

TEXT_ALONE = (
    "--data.train.captions.template.query", "A picture of", "--data.train.captions.template.target", " {target}",
    "--data.train.captions.weight", 4,
)  # fmt: skip
"""Options that leave the images out of most training pairs: of the captions."""
OPEN = ("--model.rates", '{"fusion": 0.1}')


@pytest.fixture(scope="module", params=OPTIONS)
def trained(request, drilled) -> tuple[str, Path]:
    """Name of a fusion, and the shaken checkpoint of a run of one step with it."""
    name = request.param
    assert drilled("fit", *PLAIN, *fused(name), *TEXT_ALONE, *OPEN, name=name) == 0
    return name, shaken(name)


def test_all_weights_of_the_fusion_are_in_the_checkpoint(trained):
    name, file = trained
    start, kept = load_trained(file).module.model, checkpoint(name)["state_dict"]
    own = {f"model.fusion.{key}" for key in start.fusion.state_dict()}
    gates = [key for key in own if key.endswith("gate")]
    assert own == {key for key in kept if "fusion" in key} and "model.fusion.tag" in own
    assert not any("language" in key for key in kept)
    # AdamW's first step is as large as the rate, which is the fusion's own.
    assert gates and all(kept[gate].abs().max() == pytest.approx(0.1, rel=1e-3) for gate in gates)


def test_the_optimiser_knows_gates_and_tag(trained):
    model = load_trained(trained[1]).module.model
    decays, fixed = parameter_groups({"fusion": model.fusion}, {"fusion": 0.5})
    assert fixed["weight_decay"] == 0 and "weight_decay" not in decays and decays["lr"] == fixed["lr"] == 0.5
    expected = [w for name, w in model.fusion.named_parameters() if name.split(".")[-1] in ("gate", "tag")]
    assert {*map(id, fixed["params"])} == {*map(id, expected)} and len(expected) > 1 and decays["params"]


def test_validations_on_any_ranks_and_an_export_give_the_same_captions(drilled, trained):
    """Batches of 3 and, on two ranks, of 2, which bring rows of other lengths together."""
    name, file = trained
    said = []
    for ranks, size in ((1, 3), (2, 2)):
        once = ("--ckpt_path", file, *fused(name), "--data.eval_batch_size", size)
        assert drilled("validate", *once, name=f"{name}-seen-{ranks}", ranks=ranks) == 0
        folder = Path(f"runs/{name}-seen-{ranks}/evaluation")
        files = [folder / task / "predictions.jsonl" for task in ("captions", "vqa-0shot", "vqa-2shot")]
        said.append([[json.loads(line)["generated"] for line in f.read_text().splitlines()] for f in files])
    assert said[0] == said[1]
    captions = said[0][0]
    assert len(set(captions)) > 1
    assert main(["export", str(file), f"exported-{name}"]) == 0
    model, source = FrozenVL.from_pretrained(f"exported-{name}"), SceneCaptions("val", 5, resolution=64)
    processor = model.processor()
    images = processor([(source[index].image,) for index in range(5)])
    assert model.generate(images, processor, 5, stop=("\n",)) == captions


@pytest.mark.parametrize(("ranks", "accumulate"), product((1, 2), (1, 2)))
def test_one_loss_and_gradient_however_a_step_is_divided(drilled, trained, ranks, accumulate):
    """Most pairs have no image. The gradient of a gate is a sum of large terms that cancel: hence the tolerance."""
    name, file = trained
    whole = whole_step(file)
    assert int((whole.batch.image_of < 0).all(1).sum()) == 16
    asked = (*fused(name), *TEXT_ALONE)
    _, gradients = check_divided(drilled, asked, file, whole, ranks, accumulate, tolerance=1e-4)
    assert any("fusion" in key for key in gradients) and all(g.any() for g in gradients.values())


def test_a_rank_without_any_image_trains_with_the_others(drilled, trained):
    name, file = trained
    asked = (*PLAIN, *fused(name), *TEXT_ALONE, "--init_from", file, "--data.batch_size", 4)
    losses = []
    for ranks in (1, 2):
        probe = add("probes.Seen", folder=f"{name}-on{ranks}")
        steps = ("--trainer.max_steps", 3, *probe)
        assert drilled("fit", *asked, *steps, name=f"{name}-on{ranks}", ranks=ranks) == 0
        losses.append([row["train/loss"] for row in history(f"{name}-on{ranks}")])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    images = [
        ["question" in key for key in json.loads(line)[1]]
        for rank in range(2)
        for line in Path(f"{name}-on2/{rank}").read_text().splitlines()
    ]
    assert any(not any(row) for row in images) and any(any(row) for row in images)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_resumed_run_is_bit_identical(frozenvl, name):
    """Dropout in the mapper, two steps an epoch; the run is killed in step 4, after the checkpoint of step 2."""
    asked = (
        *fused(name),
        *OPEN,
        *ONLY_CHECKPOINTS,
        "--data.batch_size",
        30,
        "--trainer.limit_val_batches",
        0,
    )
    assert frozenvl("fit", *asked, name="whole") == 0
    assert frozenvl("fit", *asked, *add("probes.StopAt", step=3), name="cut") == 1
    assert checkpoint("cut")["global_step"] == 2
    assert frozenvl("fit", *asked, "--ckpt_path", "last", name="cut") == 0
    assert same_weights(checkpoint("whole"), checkpoint("cut"))
    losses = [[row["train/loss"] for row in history(run)] for run in ("whole", "cut")]
    assert losses[0] == losses[1] and len(losses[0]) == 6


def test_a_shared_support_set_gives_the_same_answers_as_whole_prompts(trained, tmp_path, monkeypatch):
    """The support set, with its images, is read once."""
    caches, prefill = [], FrozenVL.prefill
    monkeypatch.setattr(FrozenVL, "prefill", lambda *args: caches.append(prefill(*args)) or caches[-1])
    model, answers = load_trained(trained[1]), []
    questions, pool = (SceneQuestions(split, 7, resolution=64) for split in ("val", "train"))
    for shared in (True, False):
        monkeypatch.setattr(Fixed, "shared", shared)
        benchmark = FewShotVQA(source=questions, pool=pool, shots=[2], way=Fixed(), max_new_tokens=8)
        benchmark.prepare(progress=False)
        session = session_of(model, tmp_path / str(shared), ["seeing"], 3, None)
        run_suite({"fixed": benchmark}, session)
        (file,) = (tmp_path / str(shared)).glob("*/predictions.jsonl")
        answers.append([json.loads(line)["generated"] for line in file.read_text().splitlines()])
    assert answers[0] == answers[1] and len(set(answers[0])) > 1
    assert len(caches) == 1
