"""CIDEr-D as a reward: end tokens, and document frequencies of the training set."""

from __future__ import annotations

import random
from time import perf_counter

import numpy as np
import pytest
from coco_caption import WORDS, random_set

from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.cider_reward import CiderReward
from frozenvl.util.errors import UserError

STOP = "<eos>"
"""Word for the end token in the texts that pycocoevalcap compares."""


def sampled(draw: random.Random, images: list[str], each: int = 5) -> list[tuple[str, str, bool]]:
    """Returns (image, caption, whether it ended) of several random captions of each image."""
    return [
        (image, " ".join(draw.choices([*WORDS, "unseen"], k=draw.randint(0, 14))), draw.random() < 0.7)
        for image in images
        for _ in range(each)
    ]


def test_it_equals_pycocoevalcaps_scorer_on_the_same_words_with_the_training_sets_frequencies():
    scorer_of = pytest.importorskip("pycocoevalcap.cider.cider_scorer").CiderScorer
    draw = random.Random(0)
    _, references = random_set(draw, 30)
    samples = sampled(draw, draw.sample(list(references), 12))
    marked = {image: [f"{text} {STOP}" for text in texts] for image, texts in references.items()}
    training = scorer_of()
    for texts in marked.values():
        training += (texts[0], texts)
    training.compute_doc_freq()

    images, texts, ended = zip(*((image, text, end) for image, text, end in samples), strict=True)
    rewards = CiderReward(references)(texts, ended, images)
    for reward, (image, text, end) in zip(rewards, samples, strict=True):
        alone = scorer_of()
        alone += (f"{text} {STOP}" if end else text, marked[image])
        alone.document_frequency = training.document_frequency
        alone.crefs += [[]] * (len(references) - 1)  # it takes the number of images from this list
        (expected,) = alone.compute_cider()
        assert reward == pytest.approx(expected, abs=1e-9)
    assert min(rewards) == 0 and len({*rewards.round(6)}) > 30


def test_without_end_tokens_in_any_text_it_would_be_the_reported_cider():
    """Texts that hold the end word themselves: the reward adds the same word to both sides."""
    candidates, references = random_set(random.Random(1), 20, shortest=1)
    marked = {image: [f"{text} {STOP}" for text in texts] for image, texts in references.items()}
    found = caption_scores({image: f"{text} {STOP}" for image, text in candidates.items()}, marked)
    rewards = CiderReward(references)(list(candidates.values()), [True] * len(candidates), list(candidates))
    assert rewards.mean() == pytest.approx(found.scores["CIDEr"], abs=1e-9)


REFERENCES = {"1": ["A dog runs.", "the dog is running"], "2": ["a cat on a mat"], "3": ["Two birds fly"]}


def test_a_caption_that_ends_has_a_higher_reward_than_the_same_words_cut_off():
    reward = CiderReward(REFERENCES)
    ended, cut = reward(["a dog runs", "a dog runs"], [True, False], ["1", "1"])
    assert ended > cut > 0


def test_captions_and_references_are_tokenised_alike():
    reward = CiderReward(REFERENCES)
    ways = ["a dog runs", " A dog  runs .", "a Dog, runs!"]
    assert len({*reward(ways, [True] * 3, ["1"] * 3)}) == 1


def test_a_caption_that_spells_the_end_word_gets_nothing_for_it():
    reward = CiderReward(REFERENCES)
    cut, spelled = reward(["two birds fly", "two birds fly end of text"], [False] * 2, ["3"] * 2)
    assert spelled < cut


def test_the_reward_of_a_caption_does_not_depend_on_the_captions_beside_it():
    draw = random.Random(2)
    _, references = random_set(draw, 10)
    reward = CiderReward(references)
    images, texts, ended = zip(*sampled(draw, list(references)), strict=True)
    whole = reward(texts, ended, images)
    alone = [reward([t], [e], [i])[0] for t, e, i in zip(texts, ended, images, strict=True)]
    assert np.array_equal(whole, np.array(alone))


def test_frequencies_are_those_of_the_training_set_not_of_the_captions():
    """A word of every training image has no weight, even if the scored images are others' majority."""
    common = {str(i): [f"a thing {word}"] for i, word in enumerate(WORDS)}
    reward = CiderReward(common)
    assert reward(["a thing"], [False], ["0"])[0] == 0
    assert reward([WORDS[0]], [False], ["0"])[0] > 0


def test_characters_may_be_the_words():
    references = {"1": ["一只狗在跑"], "2": ["两只猫"]}
    pytest.importorskip("sacrebleu")
    good, bad = CiderReward(references, "char")(["一只狗在跑", "猫"], [True, True], ["1", "1"])
    assert good > bad


def test_hundreds_of_captions_take_little_time():
    draw = random.Random(3)
    _, references = random_set(draw, 500)
    reward = CiderReward(references)
    images, texts, ended = zip(*sampled(draw, list(references)[:100]), strict=True)
    begun = perf_counter()
    assert len(reward(texts, ended, images)) == 500
    assert perf_counter() - begun < 1


def test_no_captions_have_no_rewards():
    assert CiderReward(REFERENCES)([], [], []).shape == (0,)


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ({}, "references of two or more images, and there are 0"),
        ({"1": ["a dog"]}, "and there are 1: .* give more images"),
        ({"1": ["a dog"], "2": []}, "image '2' has no reference captions; give it some"),
    ],
)
def test_too_few_references_are_refused(references, message):
    with pytest.raises(UserError, match=message):
        CiderReward(references)


def test_an_image_without_references_is_an_error():
    reward = CiderReward(REFERENCES)
    assert "1" in reward and "9" not in reward
    with pytest.raises(KeyError):
        reward(["a dog"], [True], ["9"])
