"""`frozenvl score`: scores of files in the official layouts and in frozenvl's."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from running import one_line

from frozenvl.cli import main
from frozenvl.evaluation.layouts import caption_results, vqa_results
from frozenvl.metrics import java
from frozenvl.metrics.captions import caption_scores

TEXTS = {
    "1": ["a dog runs", "the dog is running ."],
    "2": ["two red birds on a wire", "birds"],
    "3": ["a cat", "cat"],
}
CAPTIONS = {"1": "a dog is running", "2": "two birds", "3": "a dog"}
ANSWERS = {"10": ["red"] * 7 + ["pink"] * 3, "11": ["2"] * 10, "12": ["yes"] * 2 + ["no"] * 8}


def write(path: str, content: object) -> str:
    Path(path).write_text(json.dumps(content))
    return path


@pytest.fixture
def captions(tmp_path, monkeypatch) -> list[str]:
    """Arguments that name a COCO annotations file and a COCO results file."""
    monkeypatch.chdir(tmp_path)
    pairs = [(image, text) for image, texts in TEXTS.items() for text in texts]
    rows = [{"id": n, "image_id": int(image), "caption": text} for n, (image, text) in enumerate(pairs)]
    write("references.json", {"images": [{"id": int(image)} for image in TEXTS], "annotations": rows})
    write("results.json", caption_results(CAPTIONS))
    return ["score", "captions", "--references", "references.json", "--results", "results.json"]


@pytest.fixture
def vqa(tmp_path, monkeypatch) -> list[str]:
    """Arguments that name VQA v2 questions and annotations; three predictions."""
    monkeypatch.chdir(tmp_path)
    asked = [{"question_id": int(q), "image_id": int(q) // 2, "question": "what?"} for q in ANSWERS]
    noted = [
        {
            "question_id": int(q),
            "answer_type": "number" if q == "11" else "other",
            "question_type": "what",
            "answers": [{"answer": answer, "answer_id": n} for n, answer in enumerate(answers)],
        }
        for q, answers in ANSWERS.items()
    ]
    write("questions.json", {"questions": asked})
    write("annotations.json", {"annotations": noted})
    write("results.json", vqa_results({"10": "Pink.", "11": "2", "12": "yes"}))
    options = [
        "--questions",
        "questions.json",
        "--annotations",
        "annotations.json",
        "--results",
        "results.json",
    ]
    return ["score", "vqa", *options]


def scored(capsys, arguments: list[str]) -> dict:
    assert main(arguments) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.nightly
def test_caption_scores_equal_those_of_the_metrics(captions, capsys):
    result = scored(capsys, [*captions, "--per-image"])
    expected = caption_scores(CAPTIONS, TEXTS)
    assert {key: result["scores"][key] for key in expected.scores} == expected.scores
    assert result["per_image"] == expected.per_image
    assert set(result["scores"]) | set(result["not_computed"]) == {*expected.scores, "METEOR", "SPICE"}
    for key, (low, high) in result["intervals"].items():
        assert low <= result["scores"][key] <= high


def test_without_java_the_reason_is_given(captions, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    result = scored(capsys, captions)
    assert result["not_computed"]["METEOR"] == "no java on PATH"
    assert "METEOR" not in result["scores"]


@pytest.mark.parametrize("size", [1, 2])
def test_any_metrics_can_be_asked_for_alone(captions, capsys, monkeypatch, size):
    """METEOR and SPICE stand for what Java computes, whether it is installed or not."""
    monkeypatch.setattr(java, "why_not", lambda metric: None if metric == "METEOR" else "no jar")
    monkeypatch.setattr(java, "_meteor", lambda truth, captions: (0.5, [0.5] * len(truth)))
    known = caption_scores(CAPTIONS, TEXTS).scores | {"METEOR": 0.5}
    for names in combinations([*known, "SPICE"], size):
        result = scored(capsys, [*captions, "--metrics", *names])
        assert result["scores"] == {name: known[name] for name in names if name in known}
        assert set(result["not_computed"]) == {*names} & {"SPICE"}


def test_predictions_of_a_run_score_like_coco_files(captions, capsys):
    rows = [
        {"id": key, "image_id": f"a/{key}", "text": CAPTIONS[key], "references": TEXTS[key]} for key in TEXTS
    ]
    Path("predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("results.json").write_text(json.dumps([{"image_id": k, "caption": CAPTIONS[k]} for k in TEXTS]))
    some = ["--metrics", "CIDEr", "Bleu_4", "ROUGE_L"]
    expected = scored(capsys, captions + some)["scores"]
    for results in ("predictions.jsonl", "results.json"):
        ours = ["score", "captions", "--references", "predictions.jsonl", "--results", results]
        assert scored(capsys, ours + some)["scores"] == expected


def test_partial_results_use_the_idf_of_all_references(captions, capsys):
    write("results.json", caption_results({"1": CAPTIONS["1"]}))
    result = scored(capsys, [*captions, "--partial", "--metrics", "CIDEr"])
    assert result["scores"]["CIDEr"] == pytest.approx(caption_scores(CAPTIONS, TEXTS).per_image["1"]["CIDEr"])
    assert (result["images"], result["of"]) == (1, 3)


def test_out_writes_a_file(captions, capsys):
    assert main([*captions, "--metrics", "Bleu_1", "--out", "scores.json"]) == 0
    assert json.loads(Path("scores.json").read_text())["scores"].keys() == {"Bleu_1"}
    assert capsys.readouterr().out == ""


def test_vqa_scores_equal_those_worked_out_by_hand(vqa, capsys):
    result = scored(capsys, [*vqa, "--per-question"])
    # Three of ten annotators gave pink: leaving each out in turn gives 7 × 3/3 and 3 × 2/3. Two gave yes.
    assert result["per_question"] == pytest.approx({"10": 90.0, "11": 100.0, "12": 60.0})
    assert result["scores"]["overall"] == pytest.approx(250 / 3)
    assert result["scores"]["answer_type/number"] == 100.0


BAD_CAPTIONS = [
    ([{"image_id": 9, "caption": "a"}], "without references"),
    ([{"image_id": 1, "caption": "a"}], "have no caption in the results"),
    ([{"image_id": 1, "caption": "a"}, {"image_id": 1, "caption": "b"}], "stands there twice"),
    ([{"image": 1}], "no record has 'image_id'"),
    ({"a": 1}, "it is an object, not a list"),
    ([], "the results are empty"),
]


@pytest.mark.parametrize(("results", "says"), BAD_CAPTIONS)
def test_bad_caption_results_are_one_error_line(captions, capsys, results, says):
    write("results.json", results)
    assert main(captions) == 2
    assert says in one_line(capsys.readouterr().err)


def test_unreadable_files_are_one_error_line(captions, capsys):
    Path("results.json").write_text('[{"image_id": 1,')
    assert main(captions) == 2
    assert "results.json: not valid JSON" in one_line(capsys.readouterr().err)
    Path("results.json").unlink()
    assert main(captions) == 2
    assert "results.json: no such file" in one_line(capsys.readouterr().err)


def test_images_without_captions_are_refused(captions, capsys):
    write(
        "references.json",
        {"images": [{"id": 1}, {"id": 4}], "annotations": [{"image_id": 1, "caption": "a"}]},
    )
    assert main(captions) == 2
    assert "image 4 () has no caption" in one_line(capsys.readouterr().err)


def test_questions_that_do_not_match_the_annotations_are_refused(vqa, capsys):
    write("questions.json", {"questions": [{"question_id": 10, "image_id": 5, "question": "what?"}]})
    assert main(vqa) == 2
    message = capsys.readouterr().err
    assert "questions.json: 2 problems" in message
    for number in (11, 12):
        assert f"question {number} of annotations.json is not in this file" in message


@pytest.mark.data
def test_vqa_scores_equal_those_of_the_official_evaluation(data, capsys):
    folder, name = data / "vqa_v2", "v2_{}mscoco_train2014_subset_{}.json"
    options = ["--questions", folder / name.format("OpenEnded_", "questions")]
    options += ["--annotations", folder / name.format("", "annotations")]
    official = data / "metrics" / "vqa_v2_official"
    expected = json.loads((official / "expected_accuracies.json").read_text())["expected"]
    assert expected
    for predictions, accuracies in expected.items():
        results = official / f"{predictions}_results.json"
        result = scored(capsys, ["score", "vqa", *map(str, options), "--results", str(results)])
        assert round(result["scores"]["overall"], 2) == accuracies["overall"]
