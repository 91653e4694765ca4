"""Nonce words bound to classes by the support set of a query."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from few_shot import NAMING, stream, texts

from frozenvl.data.episodes.new_words import NewWords, new_words
from frozenvl.data.sources.scenes import SceneObjects
from frozenvl.data.stream import Task, TrainingStream
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError
from frozenvl.wording import NEW_WORDS


def test_each_nonce_word_stands_for_one_class_of_its_episode():
    source = SceneObjects(size=270, resolution=64)
    class_of = {source[index].image: source[index].answer for index in range(270)}
    sizes, words, places = Counter(), set(), Counter()
    for sample in stream(Task(source, NAMING, support=NewWords((2, 3), (1, 2)))):
        shown = [
            line.removeprefix("This is a ")
            for line in "".join(map(str, filter(lambda part: isinstance(part, str), sample.prompt))).split(
                "\n"
            )
        ]
        named = [*shown[:-1], sample.target.strip()]
        classes = [class_of[image] for image in sample.images]
        pairs = set(zip(named, classes, strict=True))
        assert len(pairs) == len(set(named)) == len(set(classes))  # one word per class, one class per word
        assert len(set(sample.images)) == len(named)
        shots = Counter(classes[:-1])
        assert classes[-1] in shots and len(set(shots.values())) == 1
        # Nothing before the first occurrence of a word predicts it.
        assert [word.strip() for word in texts(sample)[:-1]] == [
            word for place, word in enumerate(shown[:-1]) if word in shown[:place]
        ]
        sizes[len(shots), shots[classes[-1]]] += 1
        words |= set(named)
        places[classes.index(classes[-1])] += 1
    assert sizes.keys() == {(2, 1), (2, 2), (3, 1), (3, 2)} and len(words) > 80 and len(places) > 2
    assert not words & set(class_of.values())
    every = Task(SceneObjects("novel", 20, resolution=64), NAMING, support=NewWords(10))
    assert all(len({part for part in s.prompt if "This" in str(part)}) == 11 for s in stream(every))
    last = Task(source, NAMING, support=NewWords(2, 2, "last"))
    assert all(texts(sample) == [sample.target] for sample in stream(last))


def test_a_query_without_a_class_is_refused():
    class Partly(SceneObjects):
        def __getitem__(self, index: int) -> Example:
            example = super().__getitem__(index)
            return example if index else replace(example, answer="")

    task = Task(Partly(size=270, resolution=64), NAMING, support=NewWords())
    task.sample(1)
    with pytest.raises(UserError, match=r"object/0 has no class"):
        task.sample(0)


def test_nonce_words_are_distinct_and_not_those_of_evaluations():
    words = new_words(Random(0), 2000)
    assert len(set(words)) == 2000 and not set(words) & set(NEW_WORDS)
    assert {len(word) for word in words} == {6} and words == new_words(Random(0), 2000)


def test_the_replacement_of_an_episode_is_another_draw():
    made = TrainingStream({"names": Task(SceneObjects(size=180), NAMING, support=NewWords())}, 0)
    assert len({made.attempt(0, attempt).target for attempt in range(4)}) == 4
