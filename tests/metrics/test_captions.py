"""Caption scores compared with pycocoevalcap, and errors of bad input."""

import json
import random

import numpy as np
import pytest
import sacrebleu
from coco_caption import pycocoevalcap_scores, random_set
from languages import CAPTIONS, candidates_and_references

from frozenvl.metrics import caption_words
from frozenvl.metrics.captions import CAPTION_METRICS, caption_scores
from frozenvl.metrics.cider import DocumentFrequency
from frozenvl.metrics.tokenizer import tokenize
from frozenvl.metrics.tokenizers import tokenizer_of
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("seed", range(30))
def test_scores_equal_those_of_pycocoevalcap(seed):
    draw = random.Random(seed)
    candidates, references = random_set(draw, images=draw.choice([1, 2, 3, 25]))
    expected, expected_each = pycocoevalcap_scores(candidates, references)
    found = caption_scores(candidates, references)
    assert found.scores == pytest.approx(expected, abs=1e-9)
    for image, scores in expected_each.items():
        assert found.per_image[image] == pytest.approx(scores, abs=1e-9)


def test_a_token_with_a_no_break_space_is_scored_as_by_pycocoevalcap():
    # pycocoevalcap splits n-grams at a no-break space, but not tokens of ROUGE-L.
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
    monkeypatch.setattr(
        caption_words, "tokenizer_of", lambda name: lambda text: text.split(" ") if text else []
    )
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
        # A reference ends in "12th Ave S." and the next line begins with "A". In one document for all captions,
        # Java reads the period as the end of a sentence. On its own, the caption ends in the token "s.".
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


def test_partial_keeps_the_idf_of_all_references():
    candidates, references = random_set(random.Random(2), 20, shortest=1)
    whole = caption_scores(candidates, references)
    part = caption_scores({image: candidates[image] for image in ["3", "7"]}, references, partial=True)
    for image in ["3", "7"]:
        assert part.per_image[image] == pytest.approx(whole.per_image[image], abs=1e-12)
    alone = caption_scores({"3": candidates["3"]}, {"3": references["3"]})
    assert alone.per_image["3"]["CIDEr"] != pytest.approx(whole.per_image["3"]["CIDEr"])


def test_empty_candidates_score_0_and_are_noted():
    found = caption_scores({"1": "...", "2": "a dog runs"}, {"1": ["a cat sits"], "2": ["a dog runs"]})
    assert found.per_image["1"] == pytest.approx(dict.fromkeys(CAPTION_METRICS, 0.0), abs=1e-9)
    assert any("1 of 2 captions" in note for note in found.notes)


@pytest.mark.parametrize(
    ("candidates", "references", "message"),
    [
        ({}, {"1": ["a"]}, "results are empty"),
        ({"1": "a", "9": "b"}, {"1": ["a"]}, "'9'"),
        ({"1": "a"}, {"1": ["a"], "2": ["b"]}, "1 of 2 images have no caption"),
        ({"1": "a"}, {"1": []}, "'1' has no list of reference captions"),
        ({"1": "a"}, {"1": "a man"}, "'1' has no list of reference captions"),
        ({"1": None}, {"1": ["a"]}, "not text"),
    ],
)
def test_bad_input(candidates, references, message):
    with pytest.raises(UserError, match=message) as caught:
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
    idf = DocumentFrequency.of([[tokenize(t) for t in several] for several in references.values()])
    expected = caption_scores(again, their, document_frequency=idf).scores
    assert {name: values[0] for name, values in drawn.items()} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("language", "tokenizer", "theirs", "bleu"),
    [
        ("Chinese", "char", "char", 0.7415),
        ("Chinese", "zh", "zh", 0.7415),
        ("Japanese", "char", "char", 0.7135),
        ("Japanese", "zh", "zh", 0.5417),
        ("Japanese", "ja", "ja-mecab", 0.5151),
    ],
)
def test_bleu_equals_that_of_sacrebleu_on_its_tokens(language, tokenizer, theirs, bleu):
    """It does wherever n-grams of each length match; otherwise sacrebleu smooths."""
    candidates, references = candidates_and_references(language)
    found = caption_scores(candidates, references, tokenizer=tokenizer)
    streams = [list(stream) for stream in zip(*references.values(), strict=True)]
    expected = sacrebleu.corpus_bleu(list(candidates.values()), streams, tokenize=theirs).score / 100
    assert found.scores["Bleu_4"] == pytest.approx(expected, abs=1e-9)
    assert expected == pytest.approx(bleu, abs=5e-5)
    assert found.notes == []


@pytest.mark.parametrize("language", CAPTIONS)
@pytest.mark.parametrize(("tokenizer", "theirs"), [("char", "char"), ("zh", "zh"), ("ja", "ja-mecab")])
def test_bleu_equals_that_of_sacrebleu_without_smoothing_in_any_language(language, tokenizer, theirs):
    candidates, references = candidates_and_references(language)
    found = caption_scores(candidates, references, metrics=["Bleu_4"], tokenizer=tokenizer).scores["Bleu_4"]
    streams = [list(stream) for stream in zip(*references.values(), strict=True)]
    score = sacrebleu.corpus_bleu(
        list(candidates.values()), streams, tokenize=theirs, smooth_method="none"
    ).score
    # pycocoevalcap's constants keep its scores a little above 0.
    assert found == pytest.approx(score / 100, abs=1e-9 if score else 1e-3)


@pytest.mark.parametrize(
    ("language", "tokenizer"), [("Chinese", "zh"), ("Japanese", "ja"), ("Japanese", "char")]
)
def test_all_metrics_use_the_tokens_of_the_tokenizer(language, tokenizer):
    """pycocoevalcap scores the same tokens, separated by spaces."""
    candidates, references = candidates_and_references(language)
    split = tokenizer_of(tokenizer)
    tokens = lambda text: " ".join(split(text))
    expected, per_image = pycocoevalcap_scores(
        {image: tokens(text) for image, text in candidates.items()},
        {image: list(map(tokens, texts)) for image, texts in references.items()},
    )
    found = caption_scores(candidates, references, tokenizer=tokenizer)
    assert found.scores == pytest.approx(expected, abs=1e-9)
    assert found.per_image["2"] == pytest.approx(per_image["2"], abs=1e-9)


def test_the_default_tokenizer_scores_texts_without_spaces_0_and_notes_it():
    found = caption_scores(*candidates_and_references("Chinese"))
    assert found.scores == pytest.approx(dict.fromkeys(CAPTION_METRICS, 0.0), abs=1e-4)
    assert found.notes[0].startswith("6 of 6 references have no spaces between words")
    candidates, references = candidates_and_references("Chinese")
    apart = {image: " ".join(text) for image, text in candidates.items()}
    spaced = caption_scores(
        apart, {image: [" ".join(text) for text in texts] for image, texts in references.items()}
    )
    assert spaced.notes == []
    assert spaced.scores == caption_scores(candidates, references, tokenizer="char").scores


def test_the_note_counts_all_references_of_a_partial_score():
    candidates, references = candidates_and_references("Chinese")
    found = caption_scores({"1": candidates["1"]}, references, partial=True, metrics=["Bleu_1"])
    assert found.notes[0].startswith("6 of 6 references")


def test_unknown_tokenizer():
    with pytest.raises(UserError, match="unknown tokenizer 'en'"):
        caption_scores({"1": "a"}, {"1": ["a"]}, tokenizer="en")
