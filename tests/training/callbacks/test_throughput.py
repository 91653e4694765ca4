"""Logged times of the phases of a step, throughput and share of peak."""

from __future__ import annotations

import shutil
import time

import pytest
import torch
from running import checkpoint, fit_compiled, history, one_line, same_weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from frozenvl.data.stream import TrainingStream
from frozenvl.training.callbacks.throughput import PARTS, Work, matrix_peak, operations

STEPS = ("--trainer.max_steps", 4, "--trainer.log_every_n_steps", 2, "--trainer.limit_val_batches", 0)


def logged(run: str = "tiny") -> dict[str, list[float]]:
    """Reads the scalars in TensorBoard: name → values."""
    events = EventAccumulator(f"runs/{run}")
    events.Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_phases_of_a_step_and_throughput_are_logged(frozenvl, ranks, accumulate):
    cut = ("--trainer.accumulate_grad_batches", accumulate, "--trainer.val_check_interval", 3 * accumulate)
    assert frozenvl("fit", *STEPS, *cut, ranks=ranks) == 0
    seen = logged()
    assert all(len(seen[f"time/{part}"]) == 2 and min(seen[f"time/{part}"]) > 0 for part in PARTS)
    for row in range(2):
        step = sum(seen[f"time/{part}"][row] for part in PARTS)
        assert seen["speed/pairs_per_second"][row] == pytest.approx(8 / step, rel=1e-4)
        assert 0 < seen["speed/share_of_peak"][row] < 1
        assert seen["speed/padding"][row] == 0


@pytest.fixture
def slow_reading(monkeypatch):
    attempt = TrainingStream.attempt

    def slowly(self, position: int, which: int):
        time.sleep(0.02)
        return attempt(self, position, which)

    monkeypatch.setattr(TrainingStream, "attempt", slowly)


def test_time_of_reading_counts_as_data(frozenvl, slow_reading):
    assert frozenvl("fit", *STEPS) == 0
    seen = logged()
    assert min(seen["time/data"]) > 8 * 0.02
    assert max(seen["time/rest"]) < 8 * 0.02


def test_time_of_the_optimizer_counts_as_optimizer(frozenvl):
    assert frozenvl("fit", *STEPS, "--model.optimizer", "probes.SlowOptimizer") == 0
    seen = logged()
    assert min(seen["time/optimizer"]) > 0.1 and max(seen["time/rest"]) < 0.1


def test_padding_is_logged_without_packing(frozenvl, monkeypatch):
    monkeypatch.setattr("frozenvl.model.language.causal_lm.can_pack", lambda language: False)
    assert frozenvl("fit", *STEPS) == 0
    assert 0 < min(logged()["speed/padding"]) < 1


def test_operations_count_products_with_weights(tiny_run):
    from frozenvl.training.trained_run import load_trained

    language = load_trained(tiny_run).module.model.language
    config = language.model.config
    d, wide, kv = config.hidden_size, config.intermediate_size, config.num_key_value_heads
    head_width = d // config.num_attention_heads
    layer = 2 * d * d + 2 * d * kv * head_width + 3 * d * wide
    head = d * config.vocab_size
    assert language.weights == (config.num_hidden_layers * layer, head)
    assert operations(language, Work(3, 10, 7)) == 4 * (10 * language.weights[0] + 3 * head)


def test_the_peak_of_the_device_is_measured():
    assert 1e8 < matrix_peak(torch.device("cpu"), torch.float32, 256) < 1e15


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler (g++)")
@pytest.mark.nightly
def test_compiled_layers_give_the_same_history(frozenvl, tiny_run):
    """Layers are compiled only for training; validation and generation use them uncompiled."""
    start = ("--init_from", tiny_run / "checkpoints" / "last.ckpt", "--trainer.max_steps", 2)
    every = ("--trainer.val_check_interval", 2)
    assert frozenvl("fit", *start, *every, name="plain") == 0
    status, graphs = fit_compiled(frozenvl, *start, *every)
    # Without reuse, 12 graphs: 2 layers, 2 steps of different shapes, 3 pieces around attention.
    assert status == 0 and 0 < graphs <= 6
    plain, other = history("plain"), history("compiled")
    assert [row.keys() for row in plain] == [row.keys() for row in other]
    for one, two in zip(plain, other, strict=True):
        assert two == pytest.approx(one, rel=1e-4)


@pytest.mark.nightly
def test_activation_checkpointing_gives_the_same_weights(frozenvl, tiny_run, monkeypatch, capfd):
    from frozenvl.model.language import activation_checkpointing as recomputing

    calls = []
    whole = recomputing.checkpoint
    monkeypatch.setattr(recomputing, "checkpoint", lambda *x, **y: calls.append(1) or whole(*x, **y))
    start = ("--init_from", tiny_run / "checkpoints" / "last.ckpt", "--trainer.max_steps", 3)
    every = ("--trainer.val_check_interval", 3)
    assert frozenvl("fit", *start, *every, name="plain") == 0 and not calls
    assert frozenvl("fit", *start, *every, "--model.checkpointing", "true", name="less") == 0
    assert len(calls) == 3 * 2  # steps, layers
    assert same_weights(checkpoint("plain"), checkpoint("less"))
    assert frozenvl("fit", *start, "--model.checkpointing", "true", "--model.compile", "true", name="x") == 2
    assert "do not go together; choose one" in one_line(capfd.readouterr().err)


def test_compiling_without_a_compiler_is_one_error_line(frozenvl, monkeypatch, capfd):
    monkeypatch.setenv("PATH", "/nowhere")
    assert frozenvl("fit", *STEPS, "--model.compile", "true") == 2
    assert "C++ compiler" in one_line(capfd.readouterr().err)
