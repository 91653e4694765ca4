"""Captions that break off."""

import pytest

from frozenvl.metrics.endings import bad_endings, ends_badly


@pytest.mark.parametrize("caption", ["a dog on a", "A dog with THE.", "two men and", "a cat in the , ", "of"])
def test_a_caption_whose_last_word_calls_for_another_ends_badly(caption):
    assert ends_badly(caption)


@pytest.mark.parametrize(
    "caption", ["a dog runs", "a dog on a hat", "", " . ", "an oath", "it is turned on it"]
)
def test_other_captions_do_not(caption):
    assert not ends_badly(caption)


def test_the_share_is_over_all_captions():
    assert bad_endings(["a dog on a", "a dog", "", "a man with"]) == 0.5
    assert bad_endings([]) == 0
