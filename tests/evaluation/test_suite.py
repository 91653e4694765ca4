"""`frozenvl evaluate`: what the loop says, on any number of ranks; it goes on where it was interrupted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest
import yaml
from running import one_line
from suites import LOOP, POOL, QUESTIONS, SUITE, described, rows_of, scenes, toy

from frozenvl.cli import main
from frozenvl.evaluation import Captions, FewShotVQA, Fixed, Naming
from frozenvl.evaluation.asks import Ask
from frozenvl.evaluation.provenance import content_of
from frozenvl.evaluation.suite import check_suite, read_suite, run_suite, session_of
from frozenvl.model.frozen import FrozenVL
from frozenvl.util.errors import RunError

KEPT = ("score.json", "predictions.jsonl", "results.json", "shown.json", "gallery.png")


def kept(run: Path, files=KEPT) -> dict[str, bytes]:
    folders = sorted((run / "evaluation").iterdir())
    return {f"{folder.name}/{file}": (folder / file).read_bytes() for folder in folders for file in files}


def said(run: Path) -> dict[str, str]:
    """What was generated for each query of each evaluation."""
    return {
        f"{folder.name}/{key}": row["generated"]
        for folder in sorted((run / "evaluation").iterdir())
        for key, row in rows_of(run / "evaluation" / folder.name).items()
    }


def test_what_the_loop_says(evaluate, run, tiny_run, capsys):
    assert evaluate(LOOP) == 0
    for name in ("captions", "vqa-0shot", "vqa-2shot"):
        assert rows_of(run / "evaluation" / name) == rows_of(tiny_run / "evaluation" / name)
        ours, theirs = (
            json.loads((folder / "evaluation" / name / "score.json").read_text())
            for folder in (run, tiny_run)
        )
        assert ours["scores"] == theirs["scores"] and ours["intervals"] == theirs["intervals"]
        assert ours["baselines"] == theirs["baselines"] and ours["view"] == theirs["view"] == "seeing"
        apart = {k for k in ours["provenance"] if ours["provenance"][k] != theirs["provenance"].get(k)}
        assert apart <= {"demonstrations_from"}
    assert "captions CIDEr" in capsys.readouterr().out


def run_on(ranks: int, run: Path, suite: Path, batch_size: int = 3) -> None:
    """A suite on forked ranks, as the command runs it."""
    from lightning.fabric import Fabric

    from frozenvl.training.trained_run import load_trained

    benchmarks, trained = read_suite([suite], None, []), load_trained(run)
    session = session_of(trained, run / "evaluation", ["seeing", "text-only"], batch_size, None)
    check_suite(benchmarks, session)
    fabric = Fabric(accelerator="cpu", devices=ranks, strategy="ddp_fork" if ranks > 1 else "auto")

    def each(fabric):
        from dataclasses import replace

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


def test_a_support_set_read_once_says_what_whole_prompts_say(tiny_trained, tmp_path, monkeypatch):
    """And it is read once, however many batches there are."""
    prefills, prefill = [], FrozenVL.prefill
    monkeypatch.setattr(FrozenVL, "prefill", lambda *args: prefills.append(args) or prefill(*args))
    found = []
    for shared in (True, False):
        monkeypatch.setattr(Fixed, "shared", shared)
        benchmark = FewShotVQA(source=QUESTIONS, pool=POOL, shots=[3], way=Fixed(), max_new_tokens=8)
        session = session_of(tiny_trained, tmp_path / str(shared), ["seeing", "test-blind"], 2, None)
        check_suite(toy(fixed=benchmark), session)
        run_suite({"fixed": benchmark}, session)
        found.append((tmp_path / str(shared) / "fixed-3shot" / "predictions.jsonl").read_bytes())
    assert found[0] == found[1]
    assert len(prefills) == 2  # one for each view


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


def coco(folder: Path, said: str, colour: str) -> dict:
    """Two photographs, and what is said of them."""
    folder.mkdir(exist_ok=True)
    images = [{"id": n, "file_name": f"{n}.png"} for n in (1, 2)]
    for image in images:
        PIL.Image.new("RGB", (40, 30), colour).save(folder / image["file_name"])
    captions = [{"id": n, "image_id": n, "caption": said} for n in (1, 2)]
    (folder / "captions.json").write_text(json.dumps({"images": images, "annotations": captions}))
    files = {"annotations": str(folder / "captions.json"), "images": str(folder)}
    source = {"class_path": "frozenvl.data.sources.coco.CocoCaptions", "init_args": files}
    return {"mine": {"class_path": "frozenvl.evaluation.Captions", "init_args": {"source": source}}}


def test_other_images_under_the_same_names_are_asked_again(evaluate, answered, tmp_path, capsys):
    assert evaluate(coco(tmp_path / "data", "a dog", "red")) == 0
    assert answered == [2]
    content_of.cache_clear()  # as another process would
    assert evaluate(coco(tmp_path / "data", "a dog", "red")) == 0
    assert answered == [2] and "2 of 2 answers are kept from before" in capsys.readouterr().out
    content_of.cache_clear()
    assert evaluate(coco(tmp_path / "data", "a dog", "blue")) == 0
    assert answered == [2, 2]


def test_answers_that_are_kept_are_scored_against_todays_references(evaluate, run, answered, tmp_path):
    assert evaluate(coco(tmp_path / "data", "a dog", "red")) == 0
    before = rows_of(run / "evaluation/mine")
    assert evaluate(coco(tmp_path / "data", before["1"]["text"] or "nothing", "red")) == 0
    after = rows_of(run / "evaluation/mine")
    assert answered == [2] and after["1"]["text"] == before["1"]["text"]
    assert after["1"]["references"] == [before["1"]["text"] or "nothing"] != before["1"]["references"]


def test_a_part_does_not_take_the_place_of_a_whole(evaluate, run, capfd):
    assert evaluate(LOOP, "--only", "vqa", "--limit", "1") == 0
    assert evaluate(LOOP, "--only", "vqa") == 0
    whole = kept(run)
    assert evaluate(LOOP, "--only", "vqa", "--limit", "1") == 2
    assert "vqa-0shot: holds the score of all its queries" in one_line(capfd.readouterr().err)
    assert evaluate(LOOP, "--only", "vqa", "--limit", "1", "--views", "test-blind") == 0
    assert {name: content for name, content in kept(run).items() if "blind" not in name} == whole


def test_what_could_not_be_read_is_said(evaluate, run, tmp_path, capfd):
    suite = coco(tmp_path / "data", "a dog", "red")
    (tmp_path / "data/2.png").unlink()
    assert evaluate(suite) == 0
    assert "mine: 1 of 2 prompts could not be read and count as wrong" in capfd.readouterr().err
    assert json.loads((run / "evaluation/mine/score.json").read_text())["unreadable"] == 1


def test_views_that_say_nothing_are_left_out(evaluate, run, capsys):
    episodes = {"2way": scenes("SceneEpisodes", size=4)}
    suite = {"naming": described("Naming", episodes=episodes, choose="calibrated", induction=[""])}
    assert evaluate(suite, "--views", "seeing", "test-blind", "text-only") == 0
    said = capsys.readouterr().out
    for view in ("test-blind", "text-only"):
        assert (
            f"naming-2way-{view}: left out, since likelihoods less those on black images say nothing" in said
        )
    assert {folder.name for folder in (run / "evaluation").iterdir()} == {"naming-2way"}


def test_names_that_repeat_in_folders_are_not_one_photograph(evaluate, run, tmp_path):
    """cat/0.png and dog/0.png: intervals are drawn over photographs."""
    for at, label in enumerate(("cat", "dog", "cow")):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(2):
            PIL.Image.new("RGB", (40, 30), (80 * at, 99 * number, 50)).save(
                tmp_path / "data" / label / f"{number}.png"
            )
    folder = {"folder": str(tmp_path / "data"), "size": 12, "ways": 2}
    source = {"class_path": "frozenvl.data.sources.labelled.LabelledEpisodes", "init_args": folder}
    assert evaluate({"pets": described("Naming", episodes={"2way": source}, induction=[""])}) == 0
    rows = rows_of(run / "evaluation/pets-2way").values()
    assert len({row["image_id"] for row in rows}) > len({row["image"] for row in rows}) == 2


def test_only_limit_and_views(evaluate, run, capsys):
    views = ("--views", "test-blind", "text-only")
    assert evaluate(LOOP, "--only", "vqa", "--limit", "1", *views) == 0
    names = {folder.name for folder in (run / "evaluation").iterdir()}
    assert names == {f"vqa-{n}shot-{view}" for n in (0, 2) for view in ("test-blind", "text-only")}
    score = json.loads((run / "evaluation/vqa-2shot-text-only/score.json").read_text())
    assert (score["samples"], score["of"], score["partial"]) == (3, 7, True)
    assert (score["view"], score["provenance"]["view"]) == ("text-only", "text-only")
    assert evaluate(LOOP, "--only", "captions", "--views", "text-only", "test-blind") == 0
    assert (
        "captions-text-only: left out, since without images its prompts are empty" in capsys.readouterr().out
    )
    assert not (run / "evaluation/captions-text-only").exists()


def test_the_suites_of_the_house_can_be_read():
    """As far as they need no data."""
    folder = Path(__file__).parents[2] / "configs" / "evaluation"
    made = read_suite([folder / "scenes.yaml"], None, [])
    assert {type(benchmark) for benchmark in made.values()} == {Captions, FewShotVQA, Naming}


def lay_out_as_published(root: Path, suite: Path) -> None:
    """Made-up files in the places and layouts that a suite names: two questions each."""
    photograph = PIL.Image.new("RGB", (20, 10), "green")

    def picture(folder: Path, name: str) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        photograph.save(folder / name)
        return name

    def write(path: str, content: object) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(content))

    text = suite.read_text().replace("${root}", str(root))
    ids = {"train2014": range(4), "val2014": (8, 9)}
    for part, numbers in ids.items():
        for number in numbers:
            picture(root / "coco" / part, f"COCO_{part}_{number:012d}.jpg")
        for questions in re.findall(rf"(\S+{part}_questions.json)", text):
            rows = [{"image_id": n, "question_id": n, "question": "what is it?"} for n in numbers]
            write(questions, {"questions": rows})
            answers = [{"answer": "green", "answer_id": n + 1, "answer_confidence": "yes"} for n in range(10)]
            kinds = {"question_type": "what is", "answer_type": "other", "multiple_choice_answer": "green"}
            annotations = questions.replace("OpenEnded_", "").replace("_questions", "_annotations")
            write(annotations, {"annotations": [row | kinds | {"answers": answers} for row in rows]})
    for path in set(re.findall(r"(\S+_all_questions.json)", text)):
        task, shots, ways = re.match(r"(.*)_shots_(\d)_ways_(\d)_", Path(path).name).groups()
        names = ["dax", "blicket", "slation", "perpo", "shously"][: int(ways)]
        queries = []
        for number in range(2):
            stem = f"{task}_shots_{shots}_ways_{ways}_id_{number}"
            query = {"question": "This is a" if "mi" in task else "what is the dax?", "answer": names[number]}
            query["question_image"] = picture(Path(path).parent, f"{stem}_question.jpg")
            for at, name in enumerate(names * int(shots), start=1):
                query[f"image_{at}"] = picture(Path(path).parent, f"{stem}_image_{at}.jpg")
                query[f"caption_{at}"] = f"This is a {name}"
            queries.append(query)
        write(path, queries)


def test_the_papers_suite_runs_on_files_laid_out_as_published(run, tmp_path, capsys):
    suite = Path(__file__).parents[2] / "configs" / "evaluation" / "frozen.yaml"
    lay_out_as_published(tmp_path / "data", suite)
    what = ["--config", str(suite), "--root", str(tmp_path / "data")]
    assert main(["evaluate", str(run), *what, "--accelerator", "cpu"]) == 0
    names = {folder.name for folder in (run / "evaluation").iterdir()}
    benchmarks = yaml.safe_load(suite.read_text())["benchmarks"]
    assert {name for name in benchmarks if any(each.startswith(name) for each in names)} == set(benchmarks)
    for score in (run / "evaluation").glob("*/score.json"):
        assert json.loads(score.read_text())["samples"] == 2
    assert main(["report", str(run), "--out", "report"]) == 0
    assert "paper, 7B" in Path("report/report.md").read_text()


@pytest.mark.data
def test_the_small_suite_can_be_read(data):
    folder = Path(__file__).parents[2] / "configs" / "evaluation"
    names = set(yaml.safe_load((folder / "small.yaml").read_text())["benchmarks"])
    made = read_suite([folder / "small.yaml"], str(data), sorted(names - {"vqa_v2_similar"}))
    for benchmark in made.values():
        benchmark.prepare(False)
        for setting in benchmark.settings():
            query = benchmark.queries(setting)[-1]
            assert query.image.read(64) and query.references
