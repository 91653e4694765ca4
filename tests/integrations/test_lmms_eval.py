"""lmms-eval itself, on a local folder of tasks: its answers and scores are those of the package's own benchmarks."""

from __future__ import annotations

import importlib
import json
import math
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml
from choice_scenes import ChoiceScenes
from suites import described, rows_of, scenes

from frozenvl.cli import main
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.integrations.harness import Document, HarnessModel
from frozenvl.util.errors import UserError

ROOT = Path(__file__).parents[2]
GROUP = "lmms_eval.models"

UTILS = """
import PIL.Image


def visual(doc):
    return [PIL.Image.open(doc["image"]).convert("RGB")]


def messages(doc, lmms_eval_specific_kwargs=None):
    content = [{"type": "image", "url": visual(doc)[0]}, {"type": "text", "text": "Describe it."}]
    return [{"role": "user", "content": content}]


def process(doc, results):
    return {"CIDEr": {"id": doc["id"], "text": results[0], "references": doc["references"]}}


def cider(items):
    from frozenvl.metrics.captions import caption_scores

    references = {item["id"]: item["references"] for item in items}
    return caption_scores({item["id"]: item["text"] for item in items}, references).scores["CIDEr"]


def rounds(doc, previous_output=None, round_idx=None, previous_round_info=None, lmms_eval_specific_kwargs=None):
    if not round_idx:
        return doc["question"]
    said = " ".join(previous_output)
    return visual(doc), f"{doc['question']} {said}", round_idx == 2, previous_output, round_idx


def join_rounds(doc, results):
    return {"rounds": "|".join(results[0])}


def likelihood(doc, results):
    return {"perplexity": results[0][0]}


def texts(items):
    return ";".join(items)
"""


def test_the_entry_point_names_a_function():
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    module, _, name = points["frozenvl"].partition(":")
    assert f"def {name}(" in Path(importlib.util.find_spec(module).origin).read_text()


@pytest.fixture(scope="module")
def harness():
    """Module `lmms_eval.evaluator`; skips where lmms-eval is missing."""
    return pytest.importorskip(
        "lmms_eval.evaluator", reason="lmms-eval is not installed (docs/harnesses.md)", exc_type=ImportError
    )


def question_rows(source) -> list[dict]:
    return [
        {
            "id": e.id,
            "question": e.question,
            "choices": sorted(e.choices),
            "answer": sorted(e.choices).index(e.choices[0]),
        }
        for e in source
    ]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory) -> Path:
    """Folder of tasks on rendered scenes: captions, multiple choice, likelihood, two rounds, and audio."""
    folder = tmp_path_factory.mktemp("tasks")
    captions, questions = (
        SceneCaptions("val", size=6, resolution=64),
        ChoiceScenes("val", size=6, resolution=64),
    )
    caption_rows = [{"id": e.id, "references": list(e.references)} for e in captions]
    for name, source, rows in (("c", captions, caption_rows), ("q", questions, question_rows(questions))):
        for number, row in enumerate(rows):
            row["image"] = str(folder / f"{name}{number}.png")
            source[number].image.read().save(row["image"])
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "utils.py").write_text(UTILS)
    common = {"dataset_path": "json", "test_split": "test"}
    asked = {"doc_to_text": "question", "doc_to_target": "answer", "doc_to_choice": "choices"}
    mean = {"aggregation": "mean", "higher_is_better": True}
    made = {
        "tiny_captions": {
            "output_type": "generate_until",
            "doc_to_text": "",
            "doc_to_target": "references",
            "generation_kwargs": {"max_new_tokens": 5, "temperature": 0, "do_sample": False},
            "doc_to_messages": "utils.messages",  # of the chat interface
            "process_results": "utils.process",
            "metric_list": [{"metric": "CIDEr", "aggregation": "utils.cider", "higher_is_better": True}],
        },
        "tiny_choice": {
            "output_type": "multiple_choice",
            "metric_list": [{"metric": "acc", **mean}, {"metric": "exact_match", **mean}],
            **asked,
        },
        "tiny_likelihood": {
            "output_type": "loglikelihood",
            "doc_to_text": "question",
            "doc_to_target": "{{choices[0]}}",
            "process_results": "utils.likelihood",  # without one, lmms-eval 0.7.3 takes the pair apart wrongly
            "metric_list": [{"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False}],
        },
        "tiny_rounds": {
            "output_type": "generate_until_multi_round",
            "doc_to_text": "utils.rounds",
            "doc_to_target": "answer",
            "generation_kwargs": {"max_new_tokens": 3, "until": ["zzz"]},
            "process_results": "utils.join_rounds",
            "metric_list": [{"metric": "rounds", "aggregation": "utils.texts", "higher_is_better": True}],
        },
    }
    for name, settings in made.items():
        file = folder / ("c.jsonl" if name == "tiny_captions" else "q.jsonl")
        whole = {"task": name, **common, "dataset_kwargs": {"data_files": {"test": str(file)}}, **settings}
        text = yaml.safe_dump(whole | {"doc_to_visual": "utils.visual"}, sort_keys=False)
        for function in (
            "visual",
            "messages",
            "process",
            "cider",
            "rounds",
            "join_rounds",
            "likelihood",
            "texts",
        ):
            text = text.replace(f": utils.{function}\n", f": !function utils.{function}\n")
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def results(harness, tasks, tiny_run, tmp_path_factory):
    """What lmms-eval returns for the tasks, with `end_token` as the package's benchmarks have it."""
    from lmms_eval.tasks import TaskManager

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        return harness.simple_evaluate(
            model="frozenvl",
            model_args=f"run={tiny_run},end_token=True",
            batch_size=3,
            tasks=["tiny_captions", "tiny_choice", "tiny_likelihood", "tiny_rounds"],
            task_manager=TaskManager("ERROR", include_path=str(tasks), model_name="frozenvl"),
            log_samples=True,
        )


def said(results, task) -> dict[str, object]:
    return {sample["doc"]["id"]: sample["filtered_resps"] for sample in results["samples"][task]}


@pytest.fixture(scope="module")
def own(tiny_run, tmp_path_factory):
    """Function that evaluates a benchmark by the command; returns its scores and its rows."""

    def evaluate(**benchmarks):
        run = tmp_path_factory.mktemp("own") / "run"
        shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("evaluation"))
        (run / "suite.yaml").write_text(yaml.safe_dump({"benchmarks": benchmarks}))
        assert main(["evaluate", str(run), "--config", str(run / "suite.yaml"), "--batch_size", "3"]) == 0
        (found,) = (run / "evaluation").iterdir()
        return json.loads((found / "score.json").read_text())["scores"], rows_of(found)

    return evaluate


def test_captions_and_their_score_are_those_of_the_benchmark(results, own):
    source = scenes("SceneCaptions", size=6)
    scores, rows = own(six=described("Captions", source=source, max_new_tokens=5))
    assert said(results, "tiny_captions") == {key: [row["text"]] for key, row in rows.items()}
    assert results["results"]["tiny_captions"]["CIDEr,none"] == scores["CIDEr"]


def test_the_likeliest_choice_wins_and_accuracy_is_that_of_the_benchmark(results, own):
    source = {
        "class_path": "choice_scenes.ChoiceScenes",
        "init_args": {"split": "val", "size": 6, "resolution": 64},
    }
    template = {"query": "{image}Question: {question} Answer:", "target": " {target}"}
    scores, rows = own(six=described("FewShotVQA", source=source, template=template, shots=[0], choose="sum"))
    for sample in results["samples"]["tiny_choice"]:
        values = [-value for value, _ in sample["filtered_resps"]]  # this lmms-eval takes the smallest number
        assert values == pytest.approx(rows[sample["doc"]["id"]]["values"], abs=1e-4)  # its file is rounded
        likeliest = max(range(4), key=values.__getitem__)
        assert sample["acc"] == (likeliest == sample["doc"]["answer"])
    assert 100 * results["results"]["tiny_choice"]["acc,none"] == scores["overall"]


def test_a_choice_is_exact_where_greedy_decoding_writes_it(results):
    right = [s["filtered_resps"][s["doc"]["answer"]][1] for s in results["samples"]["tiny_choice"]]
    assert results["results"]["tiny_choice"]["exact_match,none"] == sum(right) / len(right)


def test_a_likelihood_task_gets_the_summed_log_probability(results, tiny_run):
    found = results["samples"]["tiny_likelihood"]
    documents = [Document(str(n), s["doc"]["question"], doc_image(s)) for n, s in enumerate(found)]
    expected = HarnessModel(str(tiny_run), 3).loglikelihoods(
        documents, [s["doc"]["choices"][0] for s in found]
    )
    logs = [s["filtered_resps"][0][0] for s in found]
    assert logs == pytest.approx([one.logp for one in expected], rel=1e-5)
    mean = sum(one.logp for one in expected) / len(expected)
    assert results["results"]["tiny_likelihood"]["perplexity,none"] == pytest.approx(math.exp(-mean))


def doc_image(sample):
    import PIL.Image

    return lambda: PIL.Image.open(sample["doc"]["image"])


def test_rounds_are_worded_by_the_task_from_the_answers_before(results, tiny_run):
    model = HarnessModel(str(tiny_run), 3)
    for sample in results["samples"]["tiny_rounds"]:
        texts = sample["filtered_resps"][0]
        assert len(texts) == 2
        asked = [sample["doc"]["question"], f"{sample['doc']['question']} {texts[0]}"]
        documents = [Document(text, text, doc_image(sample)) for text in asked]
        assert model.generate(documents, [{"max_new_tokens": 3, "until": ["zzz"]}] * 2) == texts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": "auto"}, "batch_size is auto; give a number of prompts"),
        ({"max_length": 5}, "model_args has 'max_length'; known: run, template"),
        ({"run": "nowhere"}, "no such checkpoint"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(harness, tiny_run, options, message):
    from lmms_eval.models import get_model

    with pytest.raises(UserError, match=message) as refused:
        get_model("frozenvl")(**{"run": str(tiny_run)} | options)
    assert "\n" not in str(refused.value)
