"""Benchmarks during training: equal on any number of ranks, logged, saved, drawn, and refused before the fit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from running import CONFIG, add, checkpoint, history, one_line, score

from frozenvl.model.language.decoding import NEUTRAL

EVALUATIONS = ("captions", "vqa-0shot", "vqa-2shot")


def result_files(run: str | Path) -> dict[str, bytes]:
    """Reads the result files of all evaluations of a run."""
    folder = Path("runs") / run / "evaluation"
    return {
        f"{e}/{f}": (folder / e / f).read_bytes()
        for e in EVALUATIONS
        for f in ("score.json", "predictions.jsonl")
    }


def instead_of_all_callbacks(callback: str, **settings: object) -> list[str]:
    """Returns options that replace the configuration's callbacks by one evaluation."""
    return [option.replace("callbacks+=", "callbacks=") for option in add(callback, **settings)]


def test_results_are_the_same_bytes_on_any_number_of_ranks(frozenvl, tiny_run):
    """Five images in batches of 3: with three ranks, one has no image."""
    at = ("--ckpt_path", tiny_run / "checkpoints" / "last.ckpt")
    for ranks in (1, 2, 3):
        assert frozenvl("validate", *at, name=f"on{ranks}", ranks=ranks) == 0
    assert result_files("on1") == result_files("on2") == result_files("on3") == result_files(tiny_run)


@pytest.mark.nightly
def test_two_devices_write_the_same_files_as_one(
    tiny_run, tiny_language, tiny_vision, tmp_path, feature_home
):
    """Runs the command as a user does; Lightning starts it again for the second device."""
    models = ["--model.language", tiny_language, "--model.vision.init_args.name", tiny_vision]
    at = ["--name", "shell", "--ckpt_path", tiny_run / "checkpoints" / "last.ckpt", "--trainer.devices", 2]
    command = [sys.executable, "-m", "frozenvl", "validate", "--config", CONFIG, *models, *at]
    done = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert result_files(tmp_path / "runs" / "shell") == result_files(tiny_run)


def test_predictions_have_question_text_and_references(tiny_run):
    lines = (tiny_run / "evaluation" / "vqa-0shot" / "predictions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["id"] for row in rows] == [f"scenes/val/question/{i}" for i in range(7)]
    assert all(row["question"] and len(row["references"]) == 10 for row in rows)
    assert all("\n" not in row["text"] and row["generated"].strip().startswith(row["text"]) for row in rows)


def test_galleries_and_scores_are_in_tensorboard(tiny_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tiny_run))
    events.Reload()
    for name in EVALUATIONS:
        with Image.open(tiny_run / "evaluation" / name / "gallery.png") as picture:
            assert picture.width > 900 and len(picture.getcolors(1 << 20)) > 50
        assert [image.step for image in events.Images(f"{name}/gallery")] == [3, 6]
    for key in ("train/loss", "val/loss", "val/perplexity", "captions/CIDEr", "vqa-0shot/overall"):
        assert [point.step for point in events.Scalars(key)], key


def test_the_sanity_check_evaluates_nothing_and_partial_scores_are_marked(frozenvl):
    part = ("--trainer.num_sanity_val_steps", 2, "--trainer.limit_val_batches", 1, "--trainer.max_steps", 3)
    assert frozenvl("fit", *part) == 0
    assert [row["step"] for row in history("tiny") if "captions/CIDEr" in row] == [3]
    captions, vqa = score("tiny", "captions"), score("tiny", "vqa-0shot")
    assert (captions["samples"], captions["of"], captions["partial"]) == (3, 5, True)
    assert (vqa["samples"], vqa["of"], vqa["partial"]) == (3, 7, True)


def test_partial_results_are_the_same_on_three_ranks(frozenvl, tiny_run):
    """One batch for three ranks leaves two ranks without a query."""
    at = ("--ckpt_path", tiny_run / "checkpoints" / "last.ckpt", "--trainer.limit_val_batches", 1)
    assert frozenvl("validate", *at, name="on1") == 0
    assert frozenvl("validate", *at, name="on3", ranks=3) == 0
    assert result_files("on1") == result_files("on3")


@pytest.mark.parametrize(("monitor", "mode"), [("captions/CIDEr", "max"), ("val/perplexity", "min")])
def test_checkpoints_and_early_stopping_can_read_the_scores(frozenvl, monitor, mode):
    best = add("lightning.pytorch.callbacks.ModelCheckpoint", monitor=monitor, mode=mode, filename="best")
    stop = add("lightning.pytorch.callbacks.EarlyStopping", monitor=monitor, mode=mode, patience=1)
    never_better = ("--model.optimizer.lr", 0.0, "--trainer.val_check_interval", 1)
    assert frozenvl("fit", *best, *stop, *never_better) == 0
    assert checkpoint("tiny", "best.ckpt")["global_step"] == 1
    assert history("tiny")[-1]["step"] == 2


def test_a_blind_run_sees_only_black_images(frozenvl):
    blind = ("--data.blind", "true", "--data.cache_features", "false", *add("probes.AllBlack"))
    assert frozenvl("fit", *blind) == 0
    assert score("tiny", "captions")["provenance"]["blind"] is True
    lines = (Path("runs/tiny/evaluation/captions/predictions.jsonl")).read_text().splitlines()
    assert len({json.loads(line)["text"] for line in lines}) == 1


def test_the_test_loop_writes_the_same_files(frozenvl, tiny_run):
    assert frozenvl("test", "--ckpt_path", tiny_run / "checkpoints" / "last.ckpt") == 0
    assert result_files("tiny") == result_files(tiny_run)


def test_results_without_the_feature_cache_and_with_beam_search(frozenvl, tiny_run):
    """Pixels give the same results as cached features in fp32."""
    at = ("--ckpt_path", tiny_run / "checkpoints" / "last.ckpt")
    assert frozenvl("validate", *at, "--data.cache_features", "false") == 0
    assert result_files("tiny") == result_files(tiny_run)
    beams = instead_of_all_callbacks(
        "frozenvl.evaluation.Captions", max_new_tokens=5, decoding='{"num_beams": 2}'
    )
    assert frozenvl("validate", *at, *beams) == 0
    assert score("tiny", "captions")["provenance"]["decoding"] == NEUTRAL | {"num_beams": 2}


def test_dialogue_is_ranked_and_generated_in_the_loop(frozenvl, tiny_run):
    at = ("--ckpt_path", tiny_run / "checkpoints" / "last.ckpt")
    options = {"task": "vqa", "candidates": 4, "frequent": 1, "history": '["gold","none"]'}
    ranking = instead_of_all_callbacks("frozenvl.evaluation.DialogueRanking", **options)
    assert frozenvl("validate", *at, *ranking) == 0
    ranked = score("tiny", "vqa_dialogue_ranking-gold-history")
    assert ranked["scores"]["mrr"] == score("tiny", "vqa_dialogue_ranking-no-history")["scores"]["mrr"]
    assert ranked["baselines"].keys() == {"chance", "frequency", "question_words"}
    generation = instead_of_all_callbacks(
        "frozenvl.evaluation.DialogueGeneration", task="vqa", max_new_tokens=4
    )
    assert frozenvl("validate", *at, *generation) == 0
    # Questions that are conversations of one round have the prompts and the scores of 0-shot questions.
    asked = score("tiny", "vqa_dialogue_generation-gold-history")["scores"]
    known = json.loads((tiny_run / "evaluation/vqa-0shot/score.json").read_text())["scores"]
    assert asked["overall"] == known["overall"]


@pytest.mark.parametrize(
    ("callback", "settings", "message"),
    [
        (
            "Captions",
            {"task": "nowhere"},
            "Captions: no task 'nowhere' in data.val .there are: captions, vqa.",
        ),
        ("FewShotVQA", {"demonstrations": "nowhere"}, "no task 'nowhere' in data.train"),
        ("FewShotVQA", {"shots": "[0,99]"}, "99 shots, but the pool has only 16 examples"),
        ("FewShotVQA", {"shots": "[0,1,0]"}, "two evaluations are called vqa-0shot; "),
        (
            "FewShotVQA",
            {"shots": "[12]", "max_new_tokens": 300},
            r"vqa-12shot: its longest prompt takes \d+ positions with the answer, .* has 512; ask for fewer shots",
        ),
        ("Captions", {"max_new_tokens": 600}, "captions: its longest prompt takes 602 positions"),
    ],
)
def test_an_impossible_evaluation_is_an_error_before_the_run(frozenvl, capfd, callback, settings, message):
    assert frozenvl("fit", *instead_of_all_callbacks(f"frozenvl.evaluation.{callback}", **settings)) == 2
    assert re.search(message, one_line(capfd.readouterr().err))
    assert not any(
        row for file in Path("runs").glob("*/history.jsonl") for row in file.read_text().splitlines()
    )


def test_two_benchmarks_of_one_name_are_refused(frozenvl, capfd):
    assert frozenvl("fit", *add("frozenvl.evaluation.Captions", max_new_tokens=3)) == 2
    assert "two evaluations are called captions; " in one_line(capfd.readouterr().err)


def test_a_benchmark_during_training_may_have_its_own_images(frozenvl):
    """The images are in no task of the run, so they are not in the feature cache."""
    own = {
        "class_path": "frozenvl.data.sources.scenes.SceneEpisodes",
        "init_args": {"size": 4, "resolution": 64},
    }
    naming = instead_of_all_callbacks(
        "frozenvl.evaluation.Naming",
        episodes=json.dumps({"2way": own}),
        choose="calibrated",
        induction='[""]',
    )
    assert frozenvl("fit", *naming) == 0
    found = score("tiny", "naming-2way")
    assert found["samples"] == 4 and found["baselines"] == {"chance": 50.0}
    assert {"naming-2way/strict", "naming-2way/first_phrase"} <= history("tiny")[-1].keys()
