"""Checkpoints: content, refusals, and atomic writing."""

from __future__ import annotations

import errno
import os
import shutil
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from running import add, checkpoint, history, one_line, same_weights

from frozenvl.training.checkpoint import SafeCheckpointIO, read_checkpoint
from frozenvl.util.errors import RunError, UserError

NO_VALIDATION = ("--trainer.limit_val_batches", 0)


@pytest.fixture
def last(tiny_run) -> Path:
    return tiny_run / "checkpoints" / "last.ckpt"


def test_a_checkpoint_holds_trained_parts_and_the_state_for_resuming(last, tiny_language):
    held = torch.load(last, weights_only=True)
    assert held["state_dict"] and all(key.startswith("model.mapper.") for key in held["state_dict"])
    assert held["optimizer_states"] and held["lr_schedulers"] and held["loops"] and held["callbacks"]
    assert held["global_step"] == 6 and held["frozenvl"]["precision"] == "fp32"
    trained = sum(value.numel() * 4 for value in held["state_dict"].values())
    assert last.stat().st_size < 3 * trained + 40_000  # weights and AdamW's two moments


def test_a_trained_encoder_is_saved_with_its_buffers(frozenvl, tiny_run, capfd):
    trainable = ("--model.vision.init_args.trainable", "true", *NO_VALIDATION, "--trainer.max_steps", 2)
    assert frozenvl("fit", *trainable) == 0
    held = checkpoint("tiny")["state_dict"]
    assert any(key.startswith("model.vision.") and "running_mean" in key for key in held)
    capfd.readouterr()
    assert frozenvl("validate", *trainable, "--ckpt_path", tiny_run / "checkpoints" / "last.ckpt") == 2
    assert "model.vision." in one_line(capfd.readouterr().err)


def test_a_checkpoint_made_to_run_code_is_refused_and_runs_none(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "evil.ckpt"
    torch.save({"frozenvl": {}, "state_dict": Evil()}, path)
    for read in (read_checkpoint, SafeCheckpointIO().load_checkpoint):
        with pytest.raises(UserError, match=r"evil.ckpt: refused: .* could run code"):
            read(path)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_no_checkpoint_is_one_error_line(tmp_path, last):
    whole = last.read_bytes()
    foreign = tmp_path / "foreign.ckpt"
    torch.save({"state_dict": {}}, foreign)
    for name, content in {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}.items():
        (tmp_path / f"{name}.ckpt").write_bytes(content)
    for name in ("cut.ckpt", "empty.ckpt", "text.ckpt", "foreign.ckpt", "nowhere.ckpt", ""):
        with pytest.raises(UserError) as error:
            read_checkpoint(tmp_path / name)
        assert str(error.value).startswith(str(tmp_path / name)) and "\n" not in str(error.value)


@pytest.mark.parametrize("how", ["fit --ckpt_path", "validate --ckpt_path", "fit --init_from"])
@pytest.mark.parametrize("other", ["language", "k", "mapper"])
def test_a_checkpoint_of_another_model_is_one_error_line(frozenvl, last, tmp_path, capfd, how, other):
    from tiny import language_model

    options, message = {
        "language": (("--model.language", language_model(tmp_path / "other", seed=1)), "language"),
        "k": (("--model.k", 3), "trained with k = 2, this model has 3"),
        "mapper": (
            ("--model.mapper.init_args.hidden", 17),
            "model.mapper.net.1.bias is 16 there, 17 in this model",
        ),
    }[other]
    command, where = how.split()
    assert frozenvl(command, where, last, *options) == 2
    assert message in one_line(capfd.readouterr().err)


def test_a_language_model_may_move_to_another_folder(frozenvl, last, tiny_language, tmp_path):
    moved = shutil.copytree(tiny_language, tmp_path / "moved")
    assert frozenvl("validate", "--ckpt_path", last, "--model.language", moved, *NO_VALIDATION) == 0


def test_init_from_loads_only_the_weights(frozenvl, last):
    """The run starts at step 0 with its own schedule and order of data."""
    start = ("--init_from", last, *NO_VALIDATION)
    assert frozenvl("fit", *start, *add("probes.Seen", folder="seen"), "--trainer.max_steps", 2) == 0
    assert [row["step"] for row in history("tiny")] == [1, 2]
    assert history("tiny")[0]["train/lr"] == pytest.approx(0.01)
    frozen = ("--model.optimizer.lr", 0.0, "--model.optimizer.weight_decay", 0.0, "--trainer.max_steps", 2)
    assert frozenvl("fit", *start, *frozen, name="still") == 0
    assert same_weights(checkpoint("still"), torch.load(last, weights_only=True))


def test_a_resumed_run_has_to_use_the_recorded_precision(frozenvl, capfd):
    low = ("--model.precision", "bf16", "--trainer.max_steps", 2)
    assert frozenvl("fit", *low) == 0
    assert checkpoint("tiny")["frozenvl"]["precision"] == "bf16"
    assert all(value.dtype != torch.bfloat16 for value in checkpoint("tiny")["state_dict"].values())
    more = (*NO_VALIDATION, "--ckpt_path", "last", "--trainer.max_steps", 4)
    assert frozenvl("fit", *more, "--model.precision", "fp32") == 2
    assert "was trained in bf16" in one_line(capfd.readouterr().err)
    assert frozenvl("fit", *more, "--model.precision", "auto") == 0
    assert checkpoint("tiny")["global_step"] == 4
    assert checkpoint("tiny")["frozenvl"]["precision"] == "bf16"


def full_disk(*_) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_previous_checkpoint_intact(last, tmp_path, monkeypatch):
    path = Path(shutil.copy(last, tmp_path / "last.ckpt"))
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(
        RunError, match=r"last.ckpt: cannot be written .No space left on device.; free some space"
    ):
        SafeCheckpointIO().save_checkpoint({"frozenvl": {}}, path)
    assert path.read_bytes() == last.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_is_not_copied_in_memory_while_it_is_written(tmp_path):
    weights = torch.ones(5_000_000)
    tracemalloc.start()
    SafeCheckpointIO().save_checkpoint(
        {"frozenvl": {}, "state_dict": {"weights": weights}}, tmp_path / "last.ckpt"
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000 < (tmp_path / "last.ckpt").stat().st_size


def test_a_run_on_a_full_disk_is_one_error_line(frozenvl, monkeypatch, capfd):
    from frozenvl.training import checkpoint as module

    @contextmanager
    def file_to_write(path):
        with monkeypatch.context() as disk, whole_file(path) as file:
            disk.setattr(os, "fsync", full_disk)
            yield file

    whole_file = module.whole_file
    folder = Path.cwd()
    monkeypatch.setattr(module, "whole_file", file_to_write)
    monkeypatch.chdir(folder)
    assert frozenvl("fit", *NO_VALIDATION) == 1
    assert "free some space" in one_line(capfd.readouterr().err)
    assert not [file for file in folder.rglob("*") if file.suffix in (".ckpt", ".tmp")]
