"""Words of captions, the most frequent content words, and the captions that contain a tag."""

from __future__ import annotations

from frozenvl.metrics.content_words import STOP_WORDS, most_frequent_words, number_with, words_of


def test_words_are_letters_with_hyphens_and_apostrophes_inside():
    found = words_of("A T-shirt, the dog’s ball -- 2 dogs_run!")
    assert found == ["a", "t-shirt", "the", "dog's", "ball", "dogs", "run"]
    assert words_of("Ein großes Mädchen") == ["ein", "großes", "mädchen"]


def test_frequent_words_are_counted_by_caption_without_stop_words():
    captions = ["A dog and a dog run .", "the red dog", "two red cats", "a cat is on a mat", "the mat"]
    # dog, mat and red stand in two captions each, however often in one
    assert most_frequent_words(captions, 3) == ["dog", "mat", "red"]
    assert most_frequent_words(captions, 99) == ["dog", "mat", "red", "cat", "cats", "run", "two"]
    assert most_frequent_words([], 3) == []


def test_stop_words_are_words_as_captions_are_split():
    assert all(words_of(word) == [word] for word in STOP_WORDS)
    assert {"a", "the", "with", "is", "there"} <= STOP_WORDS
    assert not {"two", "red", "running", "man", "people"} & STOP_WORDS


def test_captions_with_a_tag():
    captions = ["A dog at a traffic light.", "Dogs at traffic lights", "the traffic  LIGHT dogs", "hot-dog"]
    assert number_with(captions, ["dog", "dogs", "traffic light", "light traffic", "?"]) == [1, 2, 2, 0, 0]
