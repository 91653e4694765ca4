"""`frozenvl score`: scores of files in the official layouts and in frozenvl's."""

from __future__ import annotations

import json
import sys
from itertools import combinations
from pathlib import Path

import pytest
from running import one_line

from frozenvl.cli import main
from frozenvl.evaluation.layouts import caption_results, vqa_results
from frozenvl.metrics import java, tokenizers
from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.tokenizers import record_of

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


CHINESE = {"1": ["一只棕色的狗在沙滩上奔跑"], "2": ["两个人坐在长椅上"], "3": ["一列火车停在小站"]}


@pytest.fixture
def chinese(captions) -> list[str]:
    rows = [{"image_id": image, "caption": text} for image, texts in CHINESE.items() for text in texts]
    write("references.json", {"images": [{"id": image} for image in CHINESE], "annotations": rows})
    write("results.json", caption_results({image: texts[0][:-1] for image, texts in CHINESE.items()}))
    return [*captions, "--metrics", "Bleu_4", "ROUGE_L", "METEOR"]


def test_references_without_spaces_are_noted_and_a_tokenizer_scores_them(chinese, capsys, monkeypatch):
    monkeypatch.setattr(java, "why_not", lambda metric: None)
    monkeypatch.setattr(java, "_meteor", lambda truth, captions: (0.5, [0.5] * len(truth)))
    plain = scored(capsys, chinese)
    assert plain["scores"]["ROUGE_L"] == 0 and plain["scores"]["METEOR"] == 0.5
    assert plain["fingerprint"]["tokenizer"] == "PTB, as pycocoevalcap's"
    assert "3 of 3 references have no spaces" in plain["notes"][0] and "--tokenizer char" in plain["notes"][0]
    for name in ("char", "zh", "ja"):
        split = scored(capsys, [*chinese, "--tokenizer", name])
        expected = caption_scores(
            {image: texts[0][:-1] for image, texts in CHINESE.items()}, CHINESE, tokenizer=name
        ).scores
        assert split["scores"] == {key: expected[key] for key in ("Bleu_4", "ROUGE_L")}
        assert split["scores"]["ROUGE_L"] > 0.2 and split["notes"] == []
        assert "English" in split["not_computed"]["METEOR"]
        assert split["fingerprint"]["tokenizer"] == record_of(name) != plain["fingerprint"]["tokenizer"]


def test_without_sacrebleu_one_line_says_how_to_install_it(chinese, capsys, monkeypatch):
    tokenizers._sacrebleu.cache_clear()
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    assert main([*chinese, "--tokenizer", "char"]) == 2
    assert "pip install 'frozenvl[tokenizers]'" in one_line(capsys.readouterr().err)


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


def test_vqa_rules_are_an_option_and_recorded(vqa, capsys):
    """Ten annotators gave 2. The official rules normalise nothing there, and the others do."""
    write("results.json", vqa_results({"10": "Pink.", "11": "Two", "12": "yes"}))
    official = scored(capsys, vqa)
    assert official["scores"]["overall"] == pytest.approx((90 + 0 + 60) / 3)
    assert official["fingerprint"]["normalisation"] == "VQA v2's official"
    (note,) = official["notes"]
    assert note.startswith("lavis's rules would give 83.3 (33.3 more)") and "docs/metrics.md" in note
    records = {official["fingerprint"]["normalisation"]}
    for rules in ("lavis", "lmms", "m4c"):
        result = scored(capsys, [*vqa, "--rules", rules])
        assert result["scores"]["overall"] == pytest.approx(250 / 3)
        assert result["notes"][0].startswith("official's rules would give 50.0 (33.3 less)")
        records.add(result["fingerprint"]["normalisation"])
    assert len(records) == 4
    assert scored(capsys, [*vqa, "--rules", "official"]) == official


def test_rules_that_give_the_same_are_not_noted(vqa, capsys):
    assert scored(capsys, vqa)["notes"] == []


BAD_CAPTIONS = [
    ([{"image_id": 9, "caption": "a"}], "without references"),
    ([{"image_id": 1, "caption": "a"}], "have no caption in the results"),
    ([{"image_id": 1, "caption": "a"}, {"image_id": 1, "caption": "b"}], "stands twice"),
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


def test_empty_answers_are_noted(vqa, capsys):
    write("results.json", vqa_results({"10": "", "11": " ", "12": "yes"}))
    assert "2 of 3 answers are empty" in scored(capsys, vqa)["notes"]
