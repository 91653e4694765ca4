"""Interface of benchmarks: its required methods, and a custom benchmark as users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import own_benchmarks
import pytest
import torch
from own_benchmarks import TextToImage
from running import add, history, one_line, score
from suites import rows_of, scenes
from toy import Broken, Rows, Square

from frozenvl.cli import main
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.evaluation.asks import Generate
from frozenvl.evaluation.benchmark import Benchmark, Setting
from frozenvl.evaluation.query import Answer, Query
from frozenvl.evaluation.requests import name_of
from frozenvl.evaluation.suite import check_suite, run_suite, session_of
from frozenvl.metrics.accuracy import named_scores
from frozenvl.metrics.metric import Metric
from frozenvl.model.frozen import FrozenVL
from frozenvl.prompt import Example

OWN = {"class_path": "own_benchmarks.TextToImage", "init_args": {"source": scenes("SceneCaptions", size=5)}}


def test_a_custom_benchmark_is_one_short_file():
    lines = Path(own_benchmarks.__file__).read_text().splitlines()
    assert len(lines) < 80


def test_benchmarks_need_no_lightning():
    modules = "frozenvl.evaluation.benchmark, frozenvl.evaluation.asks, frozenvl.evaluation.benchmarks"
    pure = f"{modules}, frozenvl.evaluation.runner"
    code = f"import sys, {pure}; sys.exit(any(x in sys.modules for x in ('lightning', 'frozenvl.training')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def recall_by_hand(model, processor) -> float:
    """Computes recall@1 from prompts that are embedded one by one."""
    source, ask = SceneCaptions("val", 5, resolution=64), TextToImage(Rows()).instruction

    def embed(part) -> torch.Tensor:
        return torch.nn.functional.normalize(model.embed(processor([(part, ask)]))[0], dim=0)

    texts, images = (torch.stack([embed(of(source[n])) for n in range(5)]) for of in
                     (lambda e: e.references[0], lambda e: e.image))  # fmt: skip
    right = (texts @ images.T).argmax(1) == torch.arange(5)
    return 100 * right.float().mean().item()


def test_a_custom_benchmark_runs_in_the_command_and_its_results_can_be_reported(
    evaluate, run, tiny_trained, capsys, monkeypatch
):
    embedded = []
    embed = FrozenVL.embed
    monkeypatch.setattr(
        FrozenVL, "embed", lambda self, batch: embedded.append(len(batch)) or embed(self, batch)
    )
    assert evaluate({"retrieval": OWN}) == 0
    assert "retrieval recall@1" in capsys.readouterr().out
    assert embedded == [3, 3, 3, 1]
    found = json.loads((run / "evaluation/retrieval/score.json").read_text())
    expected = recall_by_hand(tiny_trained.module.model, tiny_trained.processor)
    assert found["scores"]["recall@1"] == pytest.approx(expected) and found["scores"]["recall@5"] == 100
    assert found["setting"] == {"gallery": 5} and "one word" in found["provenance"]["instruction"]
    low, high = found["intervals"]["recall@1"]
    assert low <= expected <= high
    assert not (run / "evaluation/retrieval/gallery.png").exists()  # no texts, so no gallery

    embedded.clear()
    before = rows_of(run / "evaluation/retrieval")
    assert evaluate({"retrieval": OWN}) == 0  # embeddings are reused as well
    assert not embedded and rows_of(run / "evaluation/retrieval") == before
    assert main(["report", str(run), "--all", "--out", "report"]) == 0
    assert "recall@5" in capsys.readouterr().out
    assert "recall@1" in Path("report/report.md").read_text()
    assert main(["compare", str(run), str(run)]) == 2
    assert "predictions of 'text_to_image' are not compared" in one_line(capsys.readouterr().err)


def test_a_custom_benchmark_runs_during_training(frozenvl):
    own = add("frozenvl.evaluation.Evaluate", benchmark=json.dumps(OWN), name="retrieval")
    assert frozenvl("fit", *own) == 0
    found = score("tiny", "retrieval")
    assert found["protocol"] == "text_to_image" and found["samples"] == 10
    assert history("tiny")[-1]["retrieval/recall@1"] == pytest.approx(found["scores"]["recall@1"])
    assert score("tiny", "captions")["samples"] == 5  # together with built-in benchmarks


def test_an_unreadable_image_is_never_found(tiny_trained, tmp_path):
    scene = SceneCaptions("val", 2, resolution=64)
    torn = Example("torn", Broken(), "torn", ("a torn photograph",))
    suite = {"retrieval": TextToImage(Rows(scene[0], scene[1], torn))}
    suite["retrieval"].name = "retrieval"
    session = session_of(tiny_trained, tmp_path, ["seeing"], 2, None)
    check_suite(suite, session)
    run_suite(suite, session)
    found = json.loads((tmp_path / "retrieval/score.json").read_text())
    assert found["unreadable"] == 1 and found["scores"]["recall@5"] == pytest.approx(200 / 3)


class Minimal(Benchmark):
    """Benchmark with only the required attributes and methods."""

    protocol = "least"
    metrics = (Metric("ended", "%", main=True),)
    ask = Generate(2)
    name = "least"

    def queries(self, setting: Setting) -> list[Query]:
        return [Query(f"q{n}", (Square(f"{n}.png"),), f"{n}", ("yes",)) for n in range(3)]

    def score(self, setting: Setting, answers: dict[str, Answer]):
        return named_scores({"ended": {key: 100.0 * each.ended for key, each in answers.items()}})


def test_defaults_of_a_minimal_benchmark(tiny_trained, tmp_path):
    """It has one setting without a name, and neither baselines, right answers, official results nor a template."""
    least = Minimal()
    (setting,) = least.settings()
    assert setting == Setting() and name_of(least, setting) == "least"
    suite = {"least": least}
    session = session_of(tiny_trained, tmp_path, ["seeing"], 2, None)
    check_suite(suite, session)
    run_suite(suite, session)
    folder = tmp_path / "least"
    found = json.loads((folder / "score.json").read_text())
    assert found["setting"] == {} and found["baselines"] == {} and found["supervised_encoder"] == ""
    assert found["samples"] == 3 and "template" not in found["provenance"]
    assert not (folder / "results.json").exists()
    assert {row["right"] for row in json.loads((folder / "shown.json").read_text())} == {None}


@pytest.mark.parametrize("left_out", ["queries", "score"])
def test_a_benchmark_without_queries_or_score_is_abstract(left_out):
    methods = {name: vars(Minimal)[name] for name in ("queries", "score") if name != left_out}
    with pytest.raises(TypeError, match=f"abstract method '?{left_out}"):
        type("Part", (Benchmark,), methods)()
