"""Captions of scenes."""

import re
from collections import Counter

import pytest
from scene_words import NUMBERS, PHRASE, PLURALS, SIZES, holds, place

from frozenvl.data.scenes.description import SHAPES
from frozenvl.data.sources.scenes import SceneCaptions


def test_captions_are_five_and_differ():
    for example in SceneCaptions("val", size=1000):
        assert len(set(example.references)) == 5 and example.targets == example.references
        assert all(4 <= len(caption.split()) <= 24 for caption in example.references)


@pytest.mark.parametrize("split", ["train", "novel"])
def test_captions_are_true(split):
    relations = Counter()
    for example in SceneCaptions(split, size=1000):
        scene = example.image.scene
        groups = {group.pair: group for group in scene.groups}
        for caption in example.references:
            named = []
            for number, size, colour, noun in PHRASE.findall(caption):
                group = groups[colour, PLURALS[noun]]
                assert group.count == NUMBERS[number] and (noun in SHAPES) == (group.count == 1)
                assert not size or SIZES[size] == group.size
                named.append(group)
            assert len(named) == len(groups) == len(set(named))
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", caption)
            for relation in ("to the left of", "to the right of", "above", "below", "under", "over"):
                before, found, after = caption.partition(f" {relation} ")
                if found:
                    cut = len(PHRASE.findall(before))
                    assert after and all(
                        holds(relation, one, other) for one in named[:cut] for other in named[cut:]
                    ), caption
                    relations[relation] += 1
            for words in re.findall(r"(?:on|at|in) the (left|right|top|bottom|middle)\b", caption):
                assert any(words in place(group, scene.groups) for group in named)
            if pattern := re.search(r"a (\w+) background", caption):
                assert pattern[1] == scene.background.pattern
            verbs = re.findall(rf"\b(is|are) {PHRASE.pattern}", caption)
            assert all((verb == "is") == (number in ("a", "an")) for verb, number, *_ in verbs)
    assert len(relations) == 6
