"""Caption scores against pycocoevalcap's own scorers, and what bad input does."""

import json
import random

import numpy as np
import pytest

from frozenvl.metrics import captions
from frozenvl.metrics.captions import CAPTION_METRICS, caption_scores
from frozenvl.metrics.cider import DocumentFrequency
from frozenvl.util.errors import UserError

WORDS = [f"w{i}" for i in range(12)]


def pycocoevalcap_scores(candidates, references):
    """Of lower-case words without punctuation, which tokenising leaves as they are."""
    bleu = pytest.importorskip("pycocoevalcap.bleu.bleu").Bleu(4)
    cider = pytest.importorskip("pycocoevalcap.cider.cider").Cider()
    rouge = pytest.importorskip("pycocoevalcap.rouge.rouge").Rouge()
    results = {image: [caption] for image, caption in candidates.items()}
    bleus, bleus_each = bleu.compute_score(references, results, verbose=0)
    total_cider, cider_each = cider.compute_score(references, results)
    total_rouge, rouge_each = rouge.compute_score(references, results)
    names = ["Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "CIDEr", "ROUGE_L"]
    each = zip(*bleus_each, cider_each, rouge_each, strict=True)
    per_image = {
        image: dict(zip(names, row, strict=True)) for image, row in zip(references, each, strict=True)
    }
    return dict(zip(names, [*bleus, total_cider, total_rouge], strict=True)), per_image


def random_set(draw: random.Random, images: int, shortest: int = 0):
    def sentence():
        return " ".join(draw.choices(WORDS, k=draw.randint(shortest, 12)))

    references = {str(i): [sentence() for _ in range(draw.randint(1, 5))] for i in range(images)}
    references["0"].append("w1 w2 w3")  # pycocoevalcap fails where no reference has a word
    return {image: sentence() for image in references}, references


@pytest.mark.parametrize("seed", range(30))
def test_equal_to_pycocoevalcap(seed):
    draw = random.Random(seed)
    candidates, references = random_set(draw, images=draw.choice([1, 2, 3, 25]))
    expected, expected_each = pycocoevalcap_scores(candidates, references)
    found = caption_scores(candidates, references)
    assert found.scores == pytest.approx(expected, abs=1e-9)
    for image, scores in expected_each.items():
        assert found.per_image[image] == pytest.approx(scores, abs=1e-9)


def test_no_break_space_inside_a_token():
    # pycocoevalcap's n-grams split there, its ROUGE-L does not.
    candidates = {"1": "w1 3 1/2 w2", "2": "w3"}
    references = {"1": ["w1 3 1/2 w3", "w1 w2"], "2": ["w3 w4"]}
    joined = {k: v.replace("3 1/2", "3\xa01/2") for k, v in candidates.items()}
    others = {k: [t.replace("3 1/2", "3\xa01/2") for t in v] for k, v in references.items()}
    expected, _ = pycocoevalcap_scores(joined, others)
    assert caption_scores(candidates, references).scores == pytest.approx(expected, abs=1e-9)


def official(folder):
    references: dict[str, list[str]] = {}
    for entry in json.loads((folder / "references.json").read_text())["annotations"]:
        references.setdefault(str(entry["image_id"]), []).append(entry["caption"])
    results = json.loads((folder / "results.json").read_text())
    candidates = {str(entry["image_id"]): entry["caption"] for entry in results}
    scores = json.loads((folder / "expected_scores.json").read_text())["scores"]
    return candidates, references, scores, json.loads((folder / "expected_per_image.json").read_text())


@pytest.mark.data
@pytest.mark.parametrize("name", ["coco_fakecap_126", "coco_human_1000"])
def test_official_scores_from_official_tokens(data, name, monkeypatch):
    _, _, scores, per_image = official(data / "metrics" / name)
    tokens = json.loads((data / "metrics" / name / "ptb_tokenized.json").read_text())
    monkeypatch.setattr(captions, "tokenize", lambda text: text.split(" ") if text else [])
    found = caption_scores({image: text for image, (text,) in tokens["res"].items()}, tokens["gts"])
    for metric in CAPTION_METRICS:
        assert found.scores[metric] == pytest.approx(scores[metric], abs=1e-9)
        for image, expected in per_image.items():
            assert found.per_image[image][metric] == pytest.approx(expected[metric], abs=1e-9)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "torn"),
    [
        ("coco_fakecap_126", set()),
        # One of its references ends in "12th Ave S." and the next line begins with "A": read as one document,
        # Java takes the period for the end of a sentence. On its own, the caption ends in the token "s.".
        ("coco_human_1000", {"146498"}),
    ],
)
def test_official_scores_from_text(data, name, torn):
    candidates, references, scores, per_image = official(data / "metrics" / name)
    found = caption_scores(candidates, references)
    assert len(found.per_image) == len(per_image)
    differ = {
        image
        for image, expected in per_image.items()
        if found.per_image[image] != pytest.approx({m: expected[m] for m in CAPTION_METRICS}, abs=1e-9)
    }
    assert differ == torn
    for metric in CAPTION_METRICS:
        assert found.scores[metric] == pytest.approx(scores[metric], abs=1e-5 if torn else 1e-9)


def test_kept_idf_gives_the_same_scores():
    candidates, references = random_set(random.Random(1), 20, shortest=1)
    kept = DocumentFrequency.of([[text.split() for text in several] for several in references.values()])
    assert caption_scores(candidates, references, document_frequency=kept).scores == pytest.approx(
        caption_scores(candidates, references).scores, abs=1e-12
    )


def test_partial_keeps_the_idf_of_all_references():
    candidates, references = random_set(random.Random(2), 20, shortest=1)
    whole = caption_scores(candidates, references)
    part = caption_scores({image: candidates[image] for image in ["3", "7"]}, references, partial=True)
    for image in ["3", "7"]:
        assert part.per_image[image] == pytest.approx(whole.per_image[image], abs=1e-12)
    alone = caption_scores({"3": candidates["3"]}, {"3": references["3"]})
    assert alone.per_image["3"]["CIDEr"] != pytest.approx(whole.per_image["3"]["CIDEr"])


def test_new_words_share_their_identity_with_an_idf_from_elsewhere():
    elsewhere = DocumentFrequency.of([[["a", "dog"]], [["a", "cat"]]])
    found = caption_scores({"1": "zebra runs home"}, {"1": ["zebra runs home"]}, document_frequency=elsewhere)
    assert found.scores["CIDEr"] == pytest.approx(7.5)  # no 4-grams: three of four orders match fully


def test_one_single_image():
    found = caption_scores({"1": "a dog"}, {"1": ["a dog"]})
    assert found.scores["CIDEr"] == 0
    assert any("single image" in note for note in found.notes)
    assert found.intervals(samples=10)["ROUGE_L"] == (1.0, 1.0)


def test_empty_candidate_scores_nothing_and_is_said():
    found = caption_scores({"1": "...", "2": "a dog runs"}, {"1": ["a cat sits"], "2": ["a dog runs"]})
    assert found.per_image["1"] == pytest.approx(dict.fromkeys(CAPTION_METRICS, 0.0), abs=1e-9)
    assert any("1 of 2 captions" in note for note in found.notes)


@pytest.mark.parametrize(
    ("candidates", "references", "said"),
    [
        ({}, {"1": ["a"]}, "results are empty"),
        ({"1": "a", "9": "b"}, {"1": ["a"]}, "'9'"),
        ({"1": "a"}, {"1": ["a"], "2": ["b"]}, "1 of 2 images have no caption"),
        ({"1": "a"}, {"1": []}, "'1' has no list of reference captions"),
        ({"1": "a"}, {"1": "a man"}, "'1' has no list of reference captions"),
        ({"1": None}, {"1": ["a"]}, "not text"),
    ],
)
def test_bad_input(candidates, references, said):
    with pytest.raises(UserError, match=said) as caught:
        caption_scores(candidates, references)
    assert "\n" not in str(caught.value)


def test_unknown_metric():
    with pytest.raises(UserError, match="METEOR"):
        caption_scores({"1": "a"}, {"1": ["a"]}, metrics=["METEOR"])


def test_metrics_can_be_chosen():
    candidates, references = random_set(random.Random(3), 5, shortest=1)
    whole = caption_scores(candidates, references)
    for name in CAPTION_METRICS:
        assert caption_scores(candidates, references, metrics=[name]).scores == {name: whole.scores[name]}


def test_reweighting_equals_scoring_the_resampled_set():
    candidates, references = random_set(random.Random(4), 12, shortest=1)
    found = caption_scores(candidates, references)
    picks = np.random.default_rng(0).integers(12, size=12)
    drawn = found.reweighted(np.bincount(picks, minlength=12)[None].astype(float))
    again = {f"{k}": candidates[str(i)] for k, i in enumerate(picks)}
    their = {f"{k}": references[str(i)] for k, i in enumerate(picks)}
    idf = DocumentFrequency.of([[captions.tokenize(t) for t in several] for several in references.values()])
    expected = caption_scores(again, their, document_frequency=idf).scores
    assert {name: values[0] for name, values in drawn.items()} == pytest.approx(expected, abs=1e-12)
