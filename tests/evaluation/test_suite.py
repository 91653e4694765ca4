"""`frozenvl evaluate`: what the loop says, on any number of ranks; it goes on where it was interrupted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from running import one_line
from toy import Broken, Rows, Square, question

from frozenvl.cli import main
from frozenvl.errors import RunError, UserError
from frozenvl.evaluation import Captions, FewShotVQA, Fixed, Naming, runner
from frozenvl.evaluation.suite import check_suite, context_of, read_suite, run_suite
from frozenvl.model.frozen import FrozenVL
from frozenvl.prompt import BlackImage, Example

KEPT = ("score.json", "predictions.jsonl", "results.json", "shown.json", "gallery.png")


def scenes(kind: str, split: str = "val", **options) -> dict:
    return {
        "class_path": f"frozenvl.data.sources.scenes.{kind}",
        "init_args": ({"split": split} if kind != "SceneEpisodes" else {}) | {"resolution": 64} | options,
    }


def described(kind: str, **options) -> dict:
    return {"class_path": f"frozenvl.evaluation.{kind}", "init_args": options}


LOOP = {
    "captions": described("Captions", source=scenes("SceneCaptions", size=5), max_new_tokens=5),
    "vqa": described(
        "FewShotVQA",
        source=scenes("SceneQuestions", size=7),
        pool=scenes("SceneQuestions", "train", size=16),
        shots=[0, 2],
        max_new_tokens=4,
    ),
}
"""What tiny.yaml evaluates in the loop."""
SUITE = LOOP | {
    "naming": described(
        "Naming", episodes={"2way": scenes("SceneEpisodes", size=7)}, choose="mean", induction=[""]
    )
}


@pytest.fixture
def run(tiny_run, tmp_path, monkeypatch) -> Path:
    """A copy of a trained run that nothing was evaluated on."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_run, "run", ignore=shutil.ignore_patterns("evaluation", "events*"))
    return tmp_path / "run"


@pytest.fixture
def evaluate(run) -> Callable[..., int]:
    """The command on that run."""

    def command(suite: dict, *options: object, checkpoint: Path = run, batch_size: int = 3) -> int:
        Path("suite.yaml").write_text(yaml.safe_dump({"benchmarks": suite}))
        shared = ["--config", "suite.yaml", "--accelerator", "cpu", "--batch_size", batch_size]
        return main([str(x) for x in ("evaluate", checkpoint, *shared, *options)])

    return command


def kept(run: Path, files=KEPT) -> dict[str, bytes]:
    folders = sorted((run / "evaluation").iterdir())
    return {f"{folder.name}/{file}": (folder / file).read_bytes() for folder in folders for file in files}


def rows(run: Path, name: str) -> dict[str, dict]:
    lines = (run / "evaluation" / name / "predictions.jsonl").read_text().splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def said(run: Path) -> dict[str, str]:
    """What was generated for each query of each evaluation."""
    return {
        f"{folder.name}/{key}": row["generated"]
        for folder in sorted((run / "evaluation").iterdir())
        for key, row in rows(run, folder.name).items()
    }


@pytest.fixture
def answered(monkeypatch) -> list[int]:
    """Numbers of prompts that the model was asked to continue."""
    numbers: list[int] = []
    continuations = FrozenVL.continuations

    def counting(self, batch, *args, **options):
        numbers.append(len(batch))
        return continuations(self, batch, *args, **options)

    monkeypatch.setattr(FrozenVL, "continuations", counting)
    return numbers


def test_what_the_loop_says(evaluate, run, tiny_run, capsys):
    assert evaluate(LOOP) == 0
    for name in ("captions", "vqa-0shot", "vqa-2shot"):
        assert rows(run, name) == rows(tiny_run, name)
        ours, theirs = (
            json.loads((folder / "evaluation" / name / "score.json").read_text())
            for folder in (run, tiny_run)
        )
        assert ours["scores"] == theirs["scores"] and ours["intervals"] == theirs["intervals"]
        assert ours["baselines"] == theirs["baselines"] and ours["view"] == theirs["view"] == "seeing"
        apart = {
            k for k in ours["circumstances"] if ours["circumstances"][k] != theirs["circumstances"].get(k)
        }
        assert apart <= {"demonstrations_from"}
    assert "captions CIDEr" in capsys.readouterr().out


def run_on(ranks: int, run: Path, suite: Path, batch_size: int = 3) -> None:
    """A suite on forked ranks, as the command runs it."""
    from lightning.fabric import Fabric

    from frozenvl.trained import load_trained

    benchmarks, trained = read_suite([suite], None, []), load_trained(run)
    context = context_of(trained, run / "evaluation", ["seeing", "text-only"], batch_size, None)
    check_suite(benchmarks, context)
    fabric = Fabric(accelerator="cpu", devices=ranks, strategy="ddp_fork" if ranks > 1 else "auto")

    def each(fabric):
        from dataclasses import replace

        run_suite(benchmarks, replace(context, rank=fabric.global_rank, world_size=fabric.world_size))

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


def test_two_devices_from_the_shell(evaluate, run):
    """As a user starts it: the command starts itself a second time."""
    assert evaluate(LOOP) == 0
    alone = kept(run)
    shutil.rmtree(run / "evaluation")
    command = ["evaluate", "run", "--config", "suite.yaml", "--batch_size", "3", "--devices", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "frozenvl", *command, "--accelerator", "cpu"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert kept(run) == alone
    assert done.stdout.count("captions CIDEr") == 1


def test_batches_of_one_and_of_64_say_the_same(evaluate, run):
    assert evaluate(SUITE, batch_size=64) == 0
    many = said(run)
    assert evaluate(SUITE, batch_size=1) == 0
    assert said(run) == many and len(set(many.values())) > 5


def test_the_order_of_tasks_does_not_matter(evaluate, run):
    assert evaluate(SUITE) == 0
    first = kept(run)
    shutil.rmtree(run / "evaluation")
    assert evaluate(dict(reversed(SUITE.items())), "--only", "vqa", "naming", "captions") == 0
    assert kept(run) == first


def toy(**named) -> dict:
    for name, benchmark in named.items():
        benchmark.name = name
        benchmark.bind({}, {})
    return named


QUESTIONS = Rows(*(question(n) for n in range(5)))
POOL = Rows(*(question(10 + n) for n in range(5)))


def test_a_support_set_read_once_says_what_whole_prompts_say(tiny_trained, tmp_path, monkeypatch):
    """And it is read once, however many batches there are."""
    prefills, prefill = [], FrozenVL.prefill
    monkeypatch.setattr(FrozenVL, "prefill", lambda *args: prefills.append(args) or prefill(*args))
    found = []
    for shared in (True, False):
        monkeypatch.setattr(Fixed, "shared", shared)
        benchmark = FewShotVQA(source=QUESTIONS, pool=POOL, shots=[3], way=Fixed(), max_new_tokens=8)
        context = context_of(tiny_trained, tmp_path / str(shared), ["seeing", "test-blind"], 2, None)
        check_suite(toy(fixed=benchmark), context)
        run_suite({"fixed": benchmark}, context)
        found.append((tmp_path / str(shared) / "fixed-3shot" / "predictions.jsonl").read_bytes())
    assert found[0] == found[1]
    assert len(prefills) == 2  # one for each view


def test_an_interrupted_evaluation_goes_on(evaluate, run, answered, monkeypatch, capfd):
    """Batches of 2, 2, 1 images and 3, 3, 1 questions, twice; broken off before the last of the first seven."""
    answer, calls = runner.answer, []

    def breaking(evaluation, batch):
        calls.append(evaluation.name)
        if len(calls) == 5:
            raise RunError("broken off")
        return answer(evaluation, batch)

    monkeypatch.setattr(runner, "answer", breaking)
    assert evaluate(LOOP) == 1
    assert one_line(capfd.readouterr().err) == "broken off"
    assert calls == ["captions", "captions", "vqa-0shot", "vqa-0shot", "vqa-0shot"]
    assert (run / "evaluation/captions/score.json").is_file()
    assert not (run / "evaluation/vqa-0shot/score.json").exists()
    (part,) = (run / "evaluation/vqa-0shot").glob("part-*.jsonl")
    with part.open("ab") as file:
        file.write(
            '{"id": "scenes/val/question/0", "text": "á'.encode()[:-1]
        )  # killed in the middle of a write

    monkeypatch.setattr(runner, "answer", answer)
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


def test_only_limit_and_views(evaluate, run, capsys):
    views = ("--views", "test-blind", "text-only")
    assert evaluate(LOOP, "--only", "vqa", "--limit", "1", *views) == 0
    names = {folder.name for folder in (run / "evaluation").iterdir()}
    assert names == {f"vqa-{n}shot-{view}" for n in (0, 2) for view in ("test-blind", "text-only")}
    score = json.loads((run / "evaluation/vqa-2shot-text-only/score.json").read_text())
    assert (score["samples"], score["of"], score["partial"]) == (3, 7, True)
    assert (score["view"], score["circumstances"]["view"]) == ("text-only", "text-only")
    assert evaluate(LOOP, "--only", "captions", "--views", "text-only", "test-blind") == 0
    assert (
        "captions-text-only: left out, since without images its prompts are empty" in capsys.readouterr().out
    )
    assert not (run / "evaluation/captions-text-only").exists()


def test_a_view_shows_what_it_says(tiny_trained, tmp_path):
    """Compared with prompts that are spelled out here."""
    benchmark = FewShotVQA(source=QUESTIONS, pool=POOL, shots=[2], way=Fixed(), max_new_tokens=6)
    captions = Captions(source=QUESTIONS, max_new_tokens=6)
    context = context_of(tiny_trained, tmp_path, ["seeing", "test-blind", "text-only"], 2, None)
    suite = toy(vqa=benchmark, captions=captions)
    check_suite(suite, context)
    run_suite(suite, context)
    (setting,) = benchmark.settings()
    changes = {
        "-test-blind": lambda prompt: tuple(x if isinstance(x, str) else BlackImage() for x in prompt),
        "-text-only": lambda prompt: ("".join(x for x in prompt if isinstance(x, str)),),
        "": lambda prompt: prompt,
    }
    generated = {}
    for suffix, change in changes.items():
        found = rows_of(tmp_path / f"vqa-2shot{suffix}")
        for index in range(5):
            query = benchmark.query(setting, index)
            prompt = change(query.prompt)
            batch = tiny_trained.processor([prompt])
            expected = tiny_trained.module.model.generate(
                batch, tiny_trained.processor, 6, ("\n", "Question:")
            )
            generated[suffix, index] = found[query.id]["generated"]
            assert [generated[suffix, index]] == expected
            names = [part["image"] for part in found[query.id]["prompt"] if "image" in part]
            assert names == [x.name for x in prompt if not isinstance(x, str)]
    assert any(generated["", n] != generated["-test-blind", n] for n in range(5))
    assert any(generated["-text-only", n] != generated["-test-blind", n] for n in range(5))
    black = tiny_trained.generate([(BlackImage(),)], captions.template, 6)
    assert {row["text"] for row in rows_of(tmp_path / "captions-test-blind").values()} == set(black)
    assert {row["text"] for row in rows_of(tmp_path / "captions").values()} != set(black)
    shown = json.loads((tmp_path / "vqa-2shot-text-only" / "shown.json").read_text())
    assert shown and all("image" not in part for row in shown for part in row["prompt"])


def rows_of(folder: Path) -> dict[str, dict]:
    return {r["id"]: r for r in map(json.loads, (folder / "predictions.jsonl").read_text().splitlines())}


def test_a_run_that_was_trained_blind_is_blind_in_what_it_sees(frozenvl, evaluate):
    assert frozenvl("fit", "--data.blind", "true", "--trainer.max_steps", 1, name="blind") == 0
    blind = Path("runs/blind")
    shutil.rmtree(blind / "evaluation", ignore_errors=True)
    assert evaluate(LOOP, checkpoint=blind) == 0
    found = rows(blind, "vqa-2shot")
    assert {p["image"] for row in found.values() for p in row["prompt"] if "image" in p} == {"black"}
    assert len({row["generated"] for row in rows(blind, "captions").values()}) == 1
    score = json.loads((blind / "evaluation/vqa-2shot/score.json").read_text())
    assert score["circumstances"]["blind"] is True and score["view"] == "seeing"


def test_what_cannot_be_read_is_wrong_and_counted(tiny_trained, tmp_path):
    """Of a query, and of a demonstration; the text alone needs no image."""
    broken = Example("broken", Broken(), "x", ("yes",) * 10, "Is it torn?", "yes")
    pool = Rows(*POOL.examples, Example("torn", Broken("torn"), "y", ("no",) * 10, "Is it?", "no"))
    benchmark = FewShotVQA(source=Rows(*QUESTIONS.examples, broken), pool=pool, shots=[4], max_new_tokens=3)
    suite = toy(vqa=benchmark)
    context = context_of(tiny_trained, tmp_path, ["seeing", "text-only"], 4, None)
    check_suite(suite, context)
    run_suite(suite, context)
    seeing, text = rows_of(tmp_path / "vqa-4shot"), rows_of(tmp_path / "vqa-4shot-text-only")
    lost = {key for key, row in seeing.items() if "unreadable" in row}
    with_torn = {k for k, row in seeing.items() if {"image": "torn"} in row["prompt"]}
    assert lost == with_torn | {"broken"} and with_torn and len(lost) < 6
    assert all(seeing[key]["text"] == "" and not seeing[key]["ended"] for key in lost)
    score = json.loads((tmp_path / "vqa-4shot" / "score.json").read_text())
    assert score["unreadable"] == len(lost) and score["samples"] == 6
    assert not any("unreadable" in row for row in text.values())


def missing_key(folder: Path) -> dict:
    episode = {"image_1": "a.jpg", "question_image": "q.jpg", "question": "This is a", "answer": "dax"}
    (folder / "episodes.json").write_text(json.dumps([episode]))
    source = {
        "class_path": "frozenvl.data.sources.frozen_bench.FrozenBenchmark",
        "init_args": {"annotations": str(folder / "episodes.json"), "images": str(folder)},
    }
    return described("Naming", episodes={"2way": source})


def no_images(folder: Path) -> dict:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "caption": "x"}],
    }
    (folder / "captions.json").write_text(json.dumps(content))
    source = {
        "class_path": "frozenvl.data.sources.coco.CocoCaptions",
        "init_args": {"annotations": str(folder / "captions.json"), "images": str(folder)},
    }
    return described("Captions", source=source)


FEW = {"source": scenes("SceneQuestions", size=3), "pool": scenes("SceneQuestions", "train", size=40)}


@pytest.mark.parametrize(
    ("benchmark", "message"),
    [
        (missing_key, "benchmark bad: * episodes.json: episode 1 has no 'caption_1'"),
        (no_images, "bad: none of its first 1 images can be read: * a.jpg: no such image"),
        (
            described("Captions", source={"class_path": "frozenvl.data.sources.coco.CocoCaptions",
                                          "init_args": {"annotations": "no.json", "images": "."}}),
            "benchmark bad: no.json: no such annotation file; name the data's folder with --root",
        ),
        (
            described("FewShotVQA", **FEW, shots=[0, 30]),
            "bad-30shot: its longest prompt takes * positions with the answer, * has 512; ask for fewer shots",
        ),
        (described("FewShotVQA", **FEW, shots=[41]), "benchmark bad: *41 shots, but the pool has only 40 examples"),
        (
            described("FewShotVQA", **FEW | {"pool": FEW["source"]}, shots=[3]),
            "bad-3shot: 3 shots asked for, but the pool has only",
        ),
        (described("FewShotVQA", **FEW, shots=[1, 1]), "two evaluations are called bad-1shot"),
        (described("FewShotVQA", source=FEW["source"], shots=[1]), "benchmark bad: *needs a pool"),
        (described("FewShotVQA", shots=[0]), "benchmark bad: FewShotVQA: no task 'vqa' in data.val"),
        (described("FewShotVQA", **FEW, choose="sum", shots=[0]), "bad-0shot: question * has no choices"),
        (described("Nothing"), "benchmark bad: *Nothing"),
        ({"class_path": "frozenvl.evaluation.Captions", "init_args": {"shots": 3}}, "benchmark bad: *shots"),
        (described("Captions", source="${root}/x"), "--root"),
        (7, "benchmark bad: "),
    ],
)  # fmt: skip
def test_a_benchmark_that_cannot_be_is_named_before_the_run(
    evaluate, run, tmp_path, capfd, answered, benchmark, message
):
    """Also the good one before it does not run."""
    bad = benchmark(tmp_path) if callable(benchmark) else benchmark
    assert evaluate(LOOP | {"bad": bad}) == 2
    line = one_line(capfd.readouterr().err)
    pieces = message.split("*")
    assert all(piece.strip() in line for piece in pieces), line
    assert not answered and not (run / "evaluation").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\n", "suite.yaml: has no `benchmarks`"),
        ("benchmarks: {}\n", "suite.yaml: has no `benchmarks`"),
        ("- 1\n", "suite.yaml: "),
        ("benchmarks: {\n", "suite.yaml: "),
        ("root: ???\nbenchmarks: {a: {class_path: x}}\n", "suite.yaml: Missing mandatory value: root"),
        ("benchmarks: {a: '${elsewhere}'}\n", "suite.yaml: Interpolation key 'elsewhere' not found"),
    ],
)
def test_a_file_that_is_no_suite(run, capfd, content, message):
    Path("suite.yaml").write_text(content)
    assert main(["evaluate", str(run), "--config", "suite.yaml"]) == 2
    assert one_line(capfd.readouterr().err).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "vqa", "cow"], "no benchmark 'cow'; there are captions, vqa"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--batch_size", "0"], "--batch_size, --devices and --limit must be at least 1"),
        (["--config", "no.yaml"], "no.yaml: no such file"),
        (["--config", "suite.yaml"], "benchmark captions stands in another file, too"),
        (["--views", "deaf"], "invalid choice: 'deaf'"),
    ],
)
def test_options_that_cannot_be(evaluate, run, capfd, options, message):
    assert evaluate(LOOP, *options) == 2
    assert message in one_line(capfd.readouterr().err)


def test_a_checkpoint_that_is_not_there(evaluate, run, capfd):
    assert evaluate(LOOP, checkpoint=run / "checkpoints" / "best.ckpt") == 2
    assert "best.ckpt: no such" in one_line(capfd.readouterr().err)


def test_a_support_that_all_share_has_to_be_readable(tiny_trained, tmp_path):
    pool = Rows(Example("torn", Broken("torn"), "y", ("no",) * 10, "Is it?", "no"))
    benchmark = FewShotVQA(source=QUESTIONS, pool=pool, shots=[1], way=Fixed())
    context = context_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    with pytest.raises(
        UserError, match="vqa-1shot: all its queries share an image that cannot be read: torn"
    ):
        check_suite(toy(vqa=benchmark), context)


def test_one_prompt_that_is_too_long_is_enough(tiny_trained, tmp_path):
    long = question(9, text="color " * 600)
    benchmark = FewShotVQA(source=Rows(*QUESTIONS.examples, long), shots=[0])
    context = context_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    with pytest.raises(UserError, match=r"vqa-0shot: its longest prompt takes \d+ positions"):
        check_suite(toy(vqa=benchmark), context)


def test_questions_without_answers_cannot_be_scored(tiny_trained, tmp_path):
    benchmark = FewShotVQA(source=Rows(question(1, answer="", references=())), shots=[0])
    context = context_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    with pytest.raises(UserError, match="vqa-0shot: query q1 has no answer to score against"):
        check_suite(toy(vqa=benchmark), context)


def test_the_suites_of_the_house_can_be_read():
    """As far as they need no data."""
    folder = Path(__file__).parents[2] / "configs" / "evaluation"
    made = read_suite([folder / "scenes.yaml"], None, [])
    assert {type(benchmark) for benchmark in made.values()} == {Captions, FewShotVQA, Naming}
    assert Square("x").digest != Square("y").digest


@pytest.mark.data
def test_the_small_suite_can_be_read(data):
    folder = Path(__file__).parents[2] / "configs" / "evaluation"
    names = set(yaml.safe_load((folder / "small.yaml").read_text())["benchmarks"])
    made = read_suite([folder / "small.yaml"], str(data), sorted(names - {"vqa_v2_similar"}))
    for benchmark in made.values():
        benchmark.prepare(SimpleNamespace(rank=1))
        for setting in benchmark.settings():
            query = benchmark.query(setting, benchmark.size(setting) - 1)
            assert query.image.read(64) and query.references
