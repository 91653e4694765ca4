"""METEOR and SPICE: computed if Java and pycocoevalcap are installed, otherwise reported as not computed."""

import json
import subprocess
import sys

import pytest

from frozenvl.metrics import java
from frozenvl.metrics.java import java_scores, why_not
from frozenvl.util.errors import UserError

CAPTIONS = {"1": "a dog runs on the grass", "2": "two cats"}
REFERENCES = {"1": ["a dog is running on grass", "the dog runs"], "2": ["two cats sleep"]}


def test_without_java_the_reason_is_given(monkeypatch):
    monkeypatch.setattr(java.shutil, "which", lambda name: None)
    found = java_scores(CAPTIONS, REFERENCES)
    assert found.scores == {} and found.per_image == {}
    assert found.not_computed == dict.fromkeys(["METEOR", "SPICE"], "no java on PATH")


def test_without_pycocoevalcap_the_reason_is_given(monkeypatch):
    monkeypatch.setattr(java.shutil, "which", lambda name: "/usr/bin/java")
    monkeypatch.setattr(java.importlib.util, "find_spec", lambda name: None)
    assert why_not("METEOR") == "pycocoevalcap is not installed"


def test_a_failure_of_java_is_reported(monkeypatch):
    monkeypatch.setattr(java, "why_not", lambda metric: None)

    def broken(truth, result):
        raise subprocess.CalledProcessError(1, "java")

    monkeypatch.setattr(java, "_meteor", broken)
    monkeypatch.setattr(java, "_spice", broken)
    found = java_scores(CAPTIONS, REFERENCES)
    assert found.scores == {} and all("failed" in reason for reason in found.not_computed.values())


@pytest.mark.parametrize("tokenizer", ["char", "zh", "ja"])
def test_with_another_tokenizer_they_are_not_computed_and_the_reason_is_given(monkeypatch, tokenizer):
    monkeypatch.setattr(java, "why_not", lambda metric: None)
    found = java_scores(CAPTIONS, REFERENCES, tokenizer=tokenizer)
    assert found.scores == {} and found.per_image == {}
    reason = f"it needs English tokens of ptb, and the tokenizer is {tokenizer}"
    assert found.not_computed == dict.fromkeys(["METEOR", "SPICE"], reason)


@pytest.mark.parametrize("tokenizer", ["ptb", "zh"])
def test_unknown_metric(tokenizer):
    with pytest.raises(UserError, match="BERTScore"):
        java_scores(CAPTIONS, REFERENCES, metrics=["BERTScore"], tokenizer=tokenizer)


@pytest.mark.data
@pytest.mark.skipif(why_not("METEOR") is not None, reason=str(why_not("METEOR")))
def test_meteor_equals_the_official_score(data):
    folder = data / "metrics/coco_fakecap_126"
    references: dict[str, list[str]] = {}
    for entry in json.loads((folder / "references.json").read_text())["annotations"]:
        references.setdefault(str(entry["image_id"]), []).append(entry["caption"])
    results = json.loads((folder / "results.json").read_text())
    found = java_scores(
        {str(entry["image_id"]): entry["caption"] for entry in results}, references, metrics=["METEOR"]
    )
    expected = json.loads((folder / "expected_scores.json").read_text())["scores"]["METEOR"]
    assert found.scores["METEOR"] == pytest.approx(expected, abs=1e-9)
    assert len(found.per_image) == 126


def test_metrics_import_no_torch():
    code = (
        "import sys; from frozenvl.metrics import bootstrap, captions, java, naming, vqa; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
