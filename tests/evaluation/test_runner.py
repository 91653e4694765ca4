"""Running suites: equal results on any number of ranks and batch size, and resuming after an interruption."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from running import one_line
from suites import LOOP, QUESTIONS, SUITE, copy_of, described, generated_texts, result_files, scenes, toy

from frozenvl.evaluation import Captions, FewShotVQA, runner
from frozenvl.evaluation.asks import Ask
from frozenvl.evaluation.suite import check_suite, read_suite, run_suite, session_of
from frozenvl.util.errors import RunError, UserError


def run_on(ranks: int, run: Path, suite: Path, batch_size: int = 3) -> None:
    """Runs a suite on forked ranks, as the command does."""
    from lightning.fabric import Fabric

    from frozenvl.training.trained_run import load_trained

    benchmarks, trained = read_suite([suite], None, []), load_trained(run)
    session = session_of(trained, run / "evaluation", ["seeing", "text-only"], batch_size, None)
    check_suite(benchmarks, session)
    fabric = Fabric(accelerator="cpu", devices=ranks, strategy="ddp_fork" if ranks > 1 else "auto")

    def each(fabric):
        run_suite(benchmarks, replace(session, rank=fabric.global_rank, world_size=fabric.world_size))

    fabric.launch(each)


def test_results_are_the_same_bytes_on_any_number_of_ranks(run):
    """Seven queries in batches of three give each of three ranks one batch; five images leave one rank without."""
    Path("suite.yaml").write_text(yaml.safe_dump({"benchmarks": SUITE}))
    results = []
    for ranks in (1, 2, 3):
        run_on(ranks, run, Path("suite.yaml"))
        results.append(result_files(run))
        shutil.rmtree(run / "evaluation")
    assert results[0] == results[1] == results[2]
    assert {name.split("/")[0] for name in results[0]} == {
        "captions", "vqa-0shot", "vqa-2shot", "vqa-0shot-text-only", "vqa-2shot-text-only",
        "naming-2way", "naming-2way-text-only",
    }  # fmt: skip


def test_further_queries_are_answered_after_all_others_on_any_number_of_ranks(headed, tmp_path, capsys):
    """The candidates that are re-ranked depend on the answers of all ranks."""
    run, suite = copy_of(headed, tmp_path / "run"), tmp_path / "suite.yaml"
    found = described("Retrieval", source=scenes("SceneCaptions", size=7), rerank=3)
    suite.write_text(yaml.safe_dump({"benchmarks": {"found": found}}))
    results, files = [], ("score.json", "predictions.jsonl")
    for ranks in (1, 2, 3):
        run_on(ranks, run, suite)
        results.append(result_files(run, files))
        if ranks < 3:
            shutil.rmtree(run / "evaluation")
    assert results[0] == results[1] == results[2]
    score = json.loads(results[0]["found/score.json"])
    assert score["samples"] == score["of"] == 7 * (1 + 5) + 7 and not score["partial"]
    capsys.readouterr()
    run_on(1, run, suite)
    assert (
        "42 of 42 answers are reused" in (printed := capsys.readouterr().out) and "7 of 7 answers" in printed
    )
    assert result_files(run, files) == results[0]


def test_the_batch_size_changes_no_text(evaluate, run):
    assert evaluate(SUITE, batch_size=64) == 0
    many = generated_texts(run)
    assert evaluate(SUITE, batch_size=1) == 0
    assert generated_texts(run) == many and len(set(many.values())) > 5


def test_an_interrupted_evaluation_resumes(evaluate, run, answered, monkeypatch, capfd):
    """Stops before the last batch of the first questions, then resumes."""
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
        )  # as if killed in the middle of a write

    monkeypatch.setattr(Ask, "__call__", ask)
    answered.clear()
    assert evaluate(LOOP) == 0
    assert answered == [1, 3, 3, 1]
    assert not list(run.glob("evaluation/*/part-*"))
    went_on = result_files(run)
    shutil.rmtree(run / "evaluation")
    assert evaluate(LOOP) == 0
    assert result_files(run) == went_on


def test_finished_evaluations_are_reused_only_for_the_same_checkpoint(evaluate, run, answered):
    assert evaluate(LOOP) == 0
    once, last = list(answered), result_files(run)
    assert evaluate(LOOP) == 0
    assert answered == once and result_files(run) == last
    assert evaluate(LOOP, checkpoint=run / "checkpoints" / "step=2.ckpt") == 0
    assert answered == once * 2 and result_files(run) != last
    assert evaluate(LOOP, batch_size=4) == 0
    assert len(answered) > 2 * len(once)


def test_views_without_information_are_left_out(evaluate, run, capsys):
    episodes = {"2way": scenes("SceneEpisodes", size=4)}
    suite = {"naming": described("Naming", episodes=episodes, choose="calibrated", induction=[""])}
    assert evaluate(suite, "--views", "seeing", "test-blind", "text-only") == 0
    printed = capsys.readouterr().out
    for view in ("test-blind", "text-only"):
        assert (
            f"naming-2way-{view}: left out, since calibrated likelihoods compare images with black ones"
            in printed
        )
    assert {folder.name for folder in (run / "evaluation").iterdir()} == {"naming-2way"}


def test_views_of_a_blind_run_that_change_nothing_are_left_out(tiny_trained, tmp_path, capsys):
    """A blind run sees black images anyway; without images the prompts of captions are empty."""
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


def test_a_prompt_that_is_too_long_is_an_error_before_any_answer(tiny_trained, tmp_path, answered):
    benchmark = FewShotVQA(source=QUESTIONS, shots=[0], max_new_tokens=600)
    toy(vqa=benchmark)
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    with pytest.raises(UserError, match="vqa-0shot: its longest prompt takes"):
        runner.evaluate(benchmark, *benchmark.settings(), session)
    assert not answered and not list(tmp_path.iterdir())
