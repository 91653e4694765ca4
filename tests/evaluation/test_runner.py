"""A suite runs alike on any number of ranks and in batches of any size; it goes on where it was interrupted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from running import one_line
from suites import LOOP, QUESTIONS, SUITE, described, kept, said, scenes, toy

from frozenvl.evaluation import Captions, FewShotVQA, runner
from frozenvl.evaluation.asks import Ask
from frozenvl.evaluation.suite import check_suite, read_suite, run_suite, session_of
from frozenvl.util.errors import RunError, UserError


def run_on(ranks: int, run: Path, suite: Path, batch_size: int = 3) -> None:
    """A suite on forked ranks, as the command runs it."""
    from lightning.fabric import Fabric

    from frozenvl.training.trained_run import load_trained

    benchmarks, trained = read_suite([suite], None, []), load_trained(run)
    session = session_of(trained, run / "evaluation", ["seeing", "text-only"], batch_size, None)
    check_suite(benchmarks, session)
    fabric = Fabric(accelerator="cpu", devices=ranks, strategy="ddp_fork" if ranks > 1 else "auto")

    def each(fabric):
        run_suite(benchmarks, replace(session, rank=fabric.global_rank, world_size=fabric.world_size))

    fabric.launch(each)


def test_the_number_of_ranks_changes_no_byte(run):
    """Seven queries in batches of three: on three ranks each has one; of five images, one rank has none."""
    Path("suite.yaml").write_text(yaml.safe_dump({"benchmarks": SUITE}))
    results = []
    for ranks in (1, 2, 3):
        run_on(ranks, run, Path("suite.yaml"))
        results.append(kept(run))
        shutil.rmtree(run / "evaluation")
    assert results[0] == results[1] == results[2]
    assert {name.split("/")[0] for name in results[0]} == {
        "captions", "vqa-0shot", "vqa-2shot", "vqa-0shot-text-only", "vqa-2shot-text-only",
        "naming-2way", "naming-2way-text-only",
    }  # fmt: skip


def test_batches_of_one_and_of_64_say_the_same(evaluate, run):
    assert evaluate(SUITE, batch_size=64) == 0
    many = said(run)
    assert evaluate(SUITE, batch_size=1) == 0
    assert said(run) == many and len(set(many.values())) > 5


def test_an_interrupted_evaluation_goes_on(evaluate, run, answered, monkeypatch, capfd):
    """Batches of 2, 2, 1 images and 3, 3, 1 questions, twice; broken off before the last of the first seven."""
    ask, calls = Ask.__call__, []

    def breaking(self, requests, session):
        calls.append(len(requests))
        if len(calls) == 5:
            raise RunError("broken off")
        return ask(self, requests, session)

    monkeypatch.setattr(Ask, "__call__", breaking)
    assert evaluate(LOOP) == 1
    assert one_line(capfd.readouterr().err) == "broken off"
    assert calls == [3, 2, 3, 3, 1]
    assert (run / "evaluation/captions/score.json").is_file()
    assert not (run / "evaluation/vqa-0shot/score.json").exists()
    (part,) = (run / "evaluation/vqa-0shot").glob("part-*.jsonl")
    with part.open("ab") as file:
        file.write(
            '{"id": "scenes/val/question/0", "text": "á'.encode()[:-1]
        )  # killed in the middle of a write

    monkeypatch.setattr(Ask, "__call__", ask)
    answered.clear()
    assert evaluate(LOOP) == 0
    assert answered == [1, 3, 3, 1]
    assert not list(run.glob("evaluation/*/part-*"))
    went_on = kept(run)
    shutil.rmtree(run / "evaluation")
    assert evaluate(LOOP) == 0
    assert kept(run) == went_on


def test_a_finished_one_is_not_generated_again_but_another_checkpoints_is(evaluate, run, answered):
    assert evaluate(LOOP) == 0
    once, last = list(answered), kept(run)
    assert evaluate(LOOP) == 0
    assert answered == once and kept(run) == last
    assert evaluate(LOOP, checkpoint=run / "checkpoints" / "step=2.ckpt") == 0
    assert answered == once * 2 and kept(run) != last
    assert evaluate(LOOP, batch_size=4) == 0
    assert len(answered) > 2 * len(once)


def test_views_that_say_nothing_are_left_out(evaluate, run, capsys):
    episodes = {"2way": scenes("SceneEpisodes", size=4)}
    suite = {"naming": described("Naming", episodes=episodes, choose="calibrated", induction=[""])}
    assert evaluate(suite, "--views", "seeing", "test-blind", "text-only") == 0
    said = capsys.readouterr().out
    for view in ("test-blind", "text-only"):
        assert (
            f"naming-2way-{view}: left out, since calibrated likelihoods compare images with black ones"
            in said
        )
    assert {folder.name for folder in (run / "evaluation").iterdir()} == {"naming-2way"}


def test_a_blind_run_is_shown_nothing_else(tiny_trained, tmp_path, capsys):
    """Black images at test would change nothing; without images the prompts of captions are empty."""
    session = session_of(tiny_trained, tmp_path, ["seeing", "test-blind", "text-only"], 4, None)
    session = replace(session, provenance=session.provenance | {"blind": True})
    suite = toy(
        captions=Captions(source=QUESTIONS, max_new_tokens=2),
        vqa=FewShotVQA(source=QUESTIONS, shots=[0], max_new_tokens=2),
    )
    for benchmark in suite.values():
        runner.evaluate(benchmark, *benchmark.settings(), session)
    assert {folder.name for folder in tmp_path.iterdir()} == {"captions", "vqa-0shot", "vqa-0shot-text-only"}
    printed = capsys.readouterr().out
    for line in (
        "captions-test-blind: left out, since the run sees black images anyway",
        "captions-text-only: left out, since without images its prompts are empty",
        "vqa-0shot-test-blind: left out, since the run sees black images anyway",
    ):
        assert line in printed.splitlines()


def test_a_prompt_that_is_too_long_is_said_before_any_is_answered(tiny_trained, tmp_path, answered):
    benchmark = FewShotVQA(source=QUESTIONS, shots=[0], max_new_tokens=600)
    toy(vqa=benchmark)
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    with pytest.raises(UserError, match="vqa-0shot: its longest prompt takes"):
        runner.evaluate(benchmark, *benchmark.settings(), session)
    assert not answered and not list(tmp_path.iterdir())
