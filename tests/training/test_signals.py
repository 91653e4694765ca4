"""A fit that is told to stop: noted within a step, obeyed at its end."""

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


def test_another_rank_says_nothing():
    with pytest.raises(Stopped) as error:
        Signals(trainer(rank=1))._note(signal.SIGTERM, None)
    assert error.value.quiet


def test_within_steps_a_signal_is_noted_and_no_more():
    made = Signals(trainer())
    made.stepping = True
    made._note(signal.SIGUSR1, None)
    made._note(signal.SIGTERM, None)
    made._note(signal.SIGUSR1, None)
    assert made.noted == signal.SIGTERM


def test_a_second_ctrl_c_is_meant_as_one_a_second_later(monkeypatch):
    made, now = Signals(trainer()), [5.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    made.stepping = True
    made._note(signal.SIGINT, None)
    now[0] += module.AGAIN / 2
    made._note(signal.SIGINT, None)  # a launcher and a terminal deliver the first one twice
    now[0] += module.AGAIN
    made._note(signal.SIGTERM, None)
    with pytest.raises(Stopped):
        made._note(signal.SIGINT, None)


def test_real_signals_reach_it_and_the_handlers_before_it_come_back():
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
    """A trainer within its steps, its signals, and the callback that asks for them."""
    monkeypatch.setattr(module, "save_last", lambda trainer, insist: Path("runs/x/last.ckpt"))
    running = trainer()
    noted = Signals(running)
    callback = StopAtStep(noted)
    callback.on_train_start(running, None)
    return running, noted, callback


def test_a_step_is_ended_and_saved_before_the_fit_stops(fit):
    running, noted, callback = fit
    noted._note(signal.SIGTERM, None)
    callback.on_train_batch_end(running)  # gradients are being accumulated
    running.global_step = 1
    said = r"^stopped by SIGTERM after step 1; runs/x/last.ckpt goes on from there with --resume true$"
    with pytest.raises(Stopped, match=said):
        callback.on_train_batch_end(running)


def test_steps_without_a_signal_go_on(fit):
    running, noted, callback = fit
    for step in (1, 2):
        running.global_step = step
        callback.on_train_batch_end(running)
    assert noted.stepping
    callback.on_train_end(running, None)
    assert not noted.stepping


def test_a_validation_is_not_begun_and_within_one_a_stop_is_obeyed_at_once(fit):
    running, noted, callback = fit
    callback.on_validation_start(running, None)
    with pytest.raises(Stopped, match=r"^stopped by SIGINT$"):
        noted._note(signal.SIGINT, None)
    callback.on_validation_end(running, None)
    assert noted.stepping
    with pytest.raises(Stopped, match=r"^stopped by SIGINT before the validation of step 0$"):
        callback.on_validation_start(running, None)


def test_a_run_that_keeps_no_checkpoint_says_so():
    assert how_to_go_on(None) == "no checkpoint is kept by this run"
