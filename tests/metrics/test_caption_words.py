"""Captions tokenised in pieces, compared with those tokenised at once."""

from __future__ import annotations

import random

import numpy as np
import pytest
from coco_caption import WORDS, random_set

from frozenvl.metrics import caption_words, captions
from frozenvl.metrics.caption_words import MIN_TEXTS, CaptionWords
from frozenvl.metrics.caption_words import caption_words as words_of
from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.cider import DocumentFrequency
from frozenvl.metrics.rouge import rouge_l
from frozenvl.util.errors import UserError

CANDIDATES, REFERENCES = random_set(random.Random(5), 40)
SOME = {image: text for image, text in CANDIDATES.items() if int(image) % 3}


def texts(words: CaptionWords) -> tuple[list[str], list[str]]:
    """Returns candidates and references as texts."""
    spelled = [*words.vocabulary]
    return tuple(
        [
            " ".join(spelled[number] for number in part)
            for part in np.split(sentences.words, np.cumsum(sentences.lengths)[:-1])
        ]
        for sentences in (words.candidates, words.references)
    )


def test_words_are_those_of_the_texts_and_references_of_other_images_come_last():
    found, references = texts(words_of(SOME, REFERENCES))
    assert found == list(SOME.values())
    others = [image for image in REFERENCES if image not in SOME]
    assert others and references == [text for image in [*SOME, *others] for text in REFERENCES[image]]


def test_numbers_follow_the_first_occurrence_and_come_after_known_words():
    candidates, references = {"1": "b a", "2": "c"}, {"1": ["d a"], "2": ["e b"], "3": ["f"]}
    assert [*words_of(candidates, references).vocabulary] == ["b", "a", "c", "d", "e", "f"]
    known = {"x": 0, "c": 1}
    assert [*words_of(candidates, references, vocabulary=known).vocabulary] == [
        "x",
        "c",
        "b",
        "a",
        "d",
        "e",
        "f",
    ]
    assert known == {"x": 0, "c": 1}


def test_rouge_uses_tokens_and_counts_use_words():
    words = words_of({"1": "3 1/2 a"}, {"1": ["3 1/2 b"]})
    assert words.candidates.lengths.tolist() == [3]
    assert words.rouge.tolist() == [rouge_l(["3\xa01/2", "a"], [["3\xa01/2", "b"]])]


def test_captions_without_tokens_are_counted():
    words = words_of({"1": "...", "2": "a", "3": ""}, {key: ["a"] for key in "123"})
    assert words.empty == 2 and words.candidates.lengths.tolist() == [0, 1, 0]


@pytest.mark.parametrize("candidates", [CANDIDATES, SOME])
@pytest.mark.parametrize("images", [1, 7])
def test_scores_do_not_depend_on_pieces_to_the_last_digit(candidates, images, monkeypatch):
    draw = random.Random(2)  # many n-grams that repeat, so that sums in another order differ
    long = {image: [" ".join(draw.choices(WORDS, k=25)) for _ in range(4)] for image in REFERENCES}
    expected = caption_scores(candidates, long, partial=True)
    monkeypatch.setattr(caption_words, "_IMAGES", images)
    monkeypatch.setattr(captions, "_IMAGES", images)
    monkeypatch.setattr("frozenvl.metrics.cider._IMAGES", images)
    found = caption_scores(candidates, long, partial=True)
    assert found.scores == expected.scores and found.per_image == expected.per_image
    assert found.intervals(samples=20) == expected.intervals(samples=20)
    idf = DocumentFrequency.of([[text.split() for text in several] for several in long.values()])
    assert caption_scores(candidates, long, partial=True, document_frequency=idf).scores == pytest.approx(
        expected.scores, abs=1e-12
    )


def test_several_processes_give_the_same_scores(monkeypatch):
    asked = []
    results_of = caption_words.results_of
    monkeypatch.setattr(caption_words, "results_of", lambda *work: asked.append(work[2]) or results_of(*work))
    expected = caption_scores(CANDIDATES, REFERENCES, processes=2)
    monkeypatch.setattr(caption_words, "_IMAGES", 15)
    monkeypatch.setattr(caption_words, "MIN_TEXTS", 100)
    found = caption_scores(CANDIDATES, REFERENCES, processes=2)
    assert asked == [1, 2]  # few texts are tokenised here
    assert len(CANDIDATES) < MIN_TEXTS and found.per_image == expected.per_image


def test_an_unknown_tokenizer_is_one_error_line():
    with pytest.raises(UserError, match="unknown tokenizer 'en'"):
        words_of({"1": "a"}, {"1": ["a"]}, "en")
