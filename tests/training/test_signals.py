"""Signals that stop a fit: recorded within a step, obeyed at its end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from frozenvl.training import signals as module
from frozenvl.training.signals import SIGNALS, Signals, StopAtStep, how_to_go_on
from frozenvl.util.errors import Stopped


def trainer(rank: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        strategy=SimpleNamespace(launcher=None),
        global_rank=rank,
        local_rank=rank,
        world_size=1,
        global_step=0,
        sanity_checking=False,
        state=SimpleNamespace(fn="fit"),
    )


@pytest.mark.parametrize("number", SIGNALS)
def test_outside_of_steps_a_signal_ends_the_fit_at_once(number):
    with pytest.raises(Stopped, match=f"^stopped by {signal.Signals(number).name}$") as error:
        Signals(trainer())._note(number, None)
    assert error.value.status == 128 + number and not error.value.quiet


def test_only_rank_0_reports_a_signal():
    with pytest.raises(Stopped) as error:
        Signals(trainer(rank=1))._note(signal.SIGTERM, None)
    assert error.value.quiet


def test_within_steps_a_signal_is_only_recorded():
    made = Signals(trainer())
    made.stepping = True
    made._note(signal.SIGUSR1, None)
    made._note(signal.SIGTERM, None)
    made._note(signal.SIGUSR1, None)
    assert made.noted == signal.SIGTERM


def test_a_second_ctrl_c_stops_at_once_if_it_comes_later(monkeypatch):
    made, now = Signals(trainer()), [5.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    made.stepping = True
    made._note(signal.SIGINT, None)
    now[0] += module.AGAIN / 2
    made._note(signal.SIGINT, None)  # a launcher and a terminal both deliver the first one
    now[0] += module.AGAIN
    made._note(signal.SIGTERM, None)
    with pytest.raises(Stopped):
        made._note(signal.SIGINT, None)


def test_real_signals_are_recorded_and_previous_handlers_restored():
    before = [signal.getsignal(number) for number in SIGNALS]
    made = Signals(trainer())
    made.stepping = True
    made.register_signal_handlers()
    made.register_signal_handlers()
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert made.noted == signal.SIGUSR1
    finally:
        made.teardown()
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.fixture
def fit(monkeypatch):
    """Trainer in the middle of training, its signals, and the callback that obeys them."""
    monkeypatch.setattr(module, "save_last", lambda trainer, insist: Path("runs/x/last.ckpt"))
    running = trainer()
    noted = Signals(running)
    callback = StopAtStep(noted)
    callback.on_train_start(running, None)
    return running, noted, callback


def test_a_fit_stops_after_its_step_is_finished_and_saved(fit):
    running, noted, callback = fit
    noted._note(signal.SIGTERM, None)
    callback.on_train_batch_end(running)  # gradients are being accumulated
    running.global_step = 1
    message = r"^stopped by SIGTERM after step 1; runs/x/last.ckpt goes on from there with --resume true$"
    with pytest.raises(Stopped, match=message):
        callback.on_train_batch_end(running)


def test_training_continues_without_a_signal(fit):
    running, noted, callback = fit
    for step in (1, 2):
        running.global_step = step
        callback.on_train_batch_end(running)
    assert noted.stepping
    callback.on_train_end(running, None)
    assert not noted.stepping


def test_signals_stop_a_validation_at_once_or_before_it_starts(fit):
    running, noted, callback = fit
    callback.on_validation_start(running, None)
    with pytest.raises(Stopped, match=r"^stopped by SIGINT$"):
        noted._note(signal.SIGINT, None)
    callback.on_validation_end(running, None)
    assert noted.stepping
    with pytest.raises(Stopped, match=r"^stopped by SIGINT before the validation of step 0$"):
        callback.on_validation_start(running, None)


def test_a_run_without_checkpoints_has_no_hint_to_resume():
    assert how_to_go_on(None) == "no checkpoint is kept by this run"
