"""CIDEr: idf weights of n-grams."""

import math
import random

import pytest
from coco_caption import random_set

from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.cider import DocumentFrequency
from frozenvl.util.errors import UserError


def test_a_precomputed_idf_gives_the_same_scores():
    candidates, references = random_set(random.Random(1), 20, shortest=1)
    kept = DocumentFrequency.of([[text.split() for text in several] for several in references.values()])
    assert caption_scores(candidates, references, document_frequency=kept).scores == pytest.approx(
        caption_scores(candidates, references).scores, abs=1e-12
    )


def test_words_missing_from_the_idf_still_match_each_other():
    elsewhere = DocumentFrequency.of([[["a", "dog"]], [["a", "cat"]]])
    found = caption_scores({"1": "zebra runs home"}, {"1": ["zebra runs home"]}, document_frequency=elsewhere)
    assert found.scores["CIDEr"] == pytest.approx(7.5)  # no 4-grams, so three of four orders match completely


def test_a_single_image_has_cider_0_and_a_note():
    found = caption_scores({"1": "a dog"}, {"1": ["a dog"]})
    assert found.scores["CIDEr"] == 0
    assert any("single image" in note for note in found.notes)
    assert found.intervals(samples=10)["ROUGE_L"] == (1.0, 1.0)


def test_an_ngram_in_more_images_has_less_weight():
    frequency = DocumentFrequency.of([[["a", "dog"], ["a", "dog"]], [["a", "cat"]]])
    counts = frequency.index.count([["a", "dog", "dog", "bird"]])[0]
    words = frequency.index.vocabulary
    weight = dict(zip(counts[0].ngram.tolist(), frequency.weights(counts)[0].tolist(), strict=True))
    assert weight[words["a"]] == 0  # in every image
    assert weight[words["dog"]] == pytest.approx(2 * math.log(2))
    assert weight[len(words)] == pytest.approx(math.log(2))  # an n-gram of no image counts as seen once


def test_an_idf_without_references_is_refused():
    with pytest.raises(UserError, match="needs reference captions"):
        DocumentFrequency.of([])
