"""Suites from YAML files: errors, and the same scores as during training."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import PIL.Image
import pytest
import yaml
from running import one_line
from suites import LOOP, SUITE, described, result_files, rows_of, scenes

from frozenvl.cli import main
from frozenvl.evaluation import Captions, FewShotVQA, Naming
from frozenvl.evaluation.score_file import read_score
from frozenvl.evaluation.suite import make, read_suite
from frozenvl.metrics.tokenizers import record_of
from frozenvl.metrics.vqa_rules import RULES
from frozenvl.util.errors import UserError


def test_the_command_gives_the_scores_of_the_training_run(evaluate, run, tiny_run, capsys):
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


def test_tokenizer_and_rules_are_arguments_of_a_suite(evaluate, run):
    options = {"captions": {"tokenizer": "char"}, "vqa": {"rules": "m4c", "shots": [0]}}
    suite = {
        name: benchmark | {"init_args": benchmark["init_args"] | options[name]}
        for name, benchmark in LOOP.items()
    }
    assert evaluate(suite) == 0
    captions, vqa = (read_score(run / f"evaluation/{name}/score.json") for name in ("captions", "vqa-0shot"))
    assert captions.provenance["metrics_tokenizer"] == record_of("char")
    assert vqa.provenance["normalisation"] == RULES["m4c"].record


@pytest.mark.parametrize(("name", "option"), [("captions", "tokenizer"), ("vqa", "rules")])
def test_unknown_tokenizers_and_rules_are_one_error_line(evaluate, run, capsys, name, option):
    benchmark = LOOP[name] | {"init_args": LOOP[name]["init_args"] | {option: "other"}}
    capsys.readouterr()
    assert evaluate({name: benchmark}) == 2
    line = one_line(capsys.readouterr().err)
    assert option in line and "other" in line


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"rerank": {"by": "nearest"}}, 'Rerank\': Parser key "by": Expected a .* Got value: nearest'),
        ({"rerank": {}}, "Rerank': the following arguments are required: by"),
        (
            {"rerank": {"by": "text_only", "wieght": 1}},
            "Option 'wieght' is not accepted; did you mean weight?",
        ),
        ({"max_new_tokes": 3}, "Option 'max_new_tokes' is not accepted; did you mean max_new_tokens?"),
        (
            {"max_new_tokens": "many"},
            "Parser key \"max_new_tokens\": Expected a <class 'int'>. Got value: many",
        ),
    ],
)
def test_a_wrong_argument_at_any_depth_is_named_with_its_class_and_what_was_meant(option, message):
    captions = LOOP["captions"] | {"init_args": LOOP["captions"]["init_args"] | option}
    with pytest.raises(UserError) as refused:
        make("captions", captions)
    assert re.search(message.replace("?", "[?]"), str(refused.value))
    assert str(refused.value).startswith("benchmark captions: Problem with given class_path ")
    assert len(str(refused.value)) < 250 and "…" not in str(refused.value)


def test_the_order_of_tasks_does_not_matter(evaluate, run):
    assert evaluate(SUITE) == 0
    first = result_files(run)
    shutil.rmtree(run / "evaluation")
    assert evaluate(dict(reversed(SUITE.items())), "--only", "vqa", "naming", "captions") == 0
    assert result_files(run) == first


def test_equal_file_names_in_different_folders_are_different_photographs(evaluate, run, tmp_path):
    """cat/0.png and dog/0.png differ in their image ids, over which confidence intervals are computed."""
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


def test_the_scene_suite_of_the_project_can_be_read():
    """The other suites need data."""
    folder = Path(__file__).parents[2] / "configs" / "evaluation"
    made = read_suite([folder / "scenes.yaml"], None, [])
    assert {type(benchmark) for benchmark in made.values()} == {Captions, FewShotVQA, Naming}


def lay_out_as_published(root: Path, suite: Path) -> None:
    """Writes made-up files with two questions each, in the places and layouts that a suite names."""
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


def test_the_papers_suite_runs_on_files_in_the_published_layout(run, tmp_path, capsys):
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\n", "suite.yaml: has no `benchmarks`"),
        ("benchmarks: {}\n", "suite.yaml: has no `benchmarks`"),
        ("- 1\n", "suite.yaml: "),
        ("benchmarks: {\n", "suite.yaml: "),
        (
            "root: ???\nbenchmarks: {a: {class_path: x}}\n",
            "suite.yaml: needs the folder of the data; name it with --root",
        ),
        ("benchmarks: {a: '${elsewhere}'}\n", "suite.yaml: Interpolation key 'elsewhere' not found"),
        ("benchmarks: {a: '${a b}'}\n", "suite.yaml: token recognition error at: ' b'"),
    ],
)
def test_a_file_that_is_no_suite_is_refused(run, capfd, content, message):
    Path("suite.yaml").write_text(content)
    assert main(["evaluate", str(run), "--config", "suite.yaml"]) == 2
    assert one_line(capfd.readouterr().err).startswith(message)


@pytest.mark.parametrize("name", ["../else", "a b", "", ".", "a/b"])
def test_a_name_that_cannot_be_a_folder_is_refused(evaluate, run, capfd, name):
    assert evaluate({name: LOOP["captions"]}) == 2
    assert "its name is a folder's" in one_line(capfd.readouterr().err)
    assert not (run / "evaluation").exists()


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (None, "b: b is null (nothing stands below it)"),
        ({"init_args": None}, "b: b.init_args is null (nothing stands below it)"),
        ({"init_args": {"max_new_tokens": None}}, "b: benchmark.init_args.max_new_tokens is null (its value"),
        (
            {"init_args": {"source": scenes("SceneCaptions", size=None)}},
            "b: benchmark.init_args.source.init_args.size is null (its value is missing)",
        ),
        (
            {"init_args": {"source": scenes("SceneCaptions") | {"init_args": None}}},
            "b: b.init_args.source.init_args is null (nothing stands below it)",
        ),
    ],
)
def test_a_null_in_a_benchmark_is_refused(described, message):
    with pytest.raises(UserError) as error:
        make("b", described and {"class_path": "frozenvl.evaluation.Captions"} | described)
    assert str(error.value).startswith(f"benchmark {message}")


def test_an_escaped_interpolation_is_a_literal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = r"""benchmarks:
  b:
    class_path: frozenvl.evaluation.Captions
    init_args:
      source: {class_path: frozenvl.data.sources.scenes.SceneCaptions, init_args: {split: "${root}"}}
      template: {induction: '\${x} and "\${root}"'}
root: val
"""
    Path("suite.yaml").write_text(text)
    (benchmark,) = read_suite([Path("suite.yaml")], None, []).values()
    assert benchmark.template.induction == '${x} and "${root}"'
