"""Labels made of captions: which word labels an image, and what is left out."""

from __future__ import annotations

import pytest
from toy import Rows, Square

from frozenvl.data.episodes import NewWords
from frozenvl.data.sources.caption_labels import CaptionLabels
from frozenvl.data.stream import Task
from frozenvl.prompt import Example, Image
from frozenvl.util.errors import UserError


def row(key: str, *captions: str) -> Example:
    return Example(key, Square(f"{key}.png"), f"photo {key}", captions)


class Photographs(Rows):
    def image_ids(self) -> list[str]:
        return [self[index].image_id for index in range(len(self))]


SOURCE = Photographs(
    row("0", "A dog runs .", "the dog in snow", "a brown dog"),
    row("1", "a dog", "a DOG and a cat", "two dogs"),
    row("2", "a dog jumps", "the dog", "a ball"),
    row("3", "snow", "a dog in the snow", "dog, snow"),
    row("4", "snow falls", "much snow", "white"),
    row("5", "a man", "a man", "a person"),
    row("6", "hotdog", "hotdog stand", "hotdog"),
)
LABELS = ["dog", "snow", "man", "dogs"]


def labels_of(source: CaptionLabels) -> dict[str, str]:
    return {source[i].id: source[i].answer for i in range(len(source))}


def test_an_image_has_the_rarest_label_that_enough_captions_have():
    source = CaptionLabels(SOURCE, LABELS, min_captions=2)
    assert labels_of(source) == {"0": "dog", "1": "dog", "2": "dog", "3": "snow", "4": "snow"}
    assert source.labels == ["dog", "snow"]
    assert source.notes == {"labels of too few images left out": 2, "images that no label fits left out": 2}
    assert source.image_ids() == [f"photo {n}" for n in range(5)]
    example = source[3]
    assert (example.references, example.targets, example.image) == (("snow",), ("snow",), Square("3.png"))


def test_of_equally_rare_labels_the_first_by_alphabet():
    source = CaptionLabels(Rows(row("0", "a man and a dog"), row("1", "a dog, a man")), ["man", "dog"], 1)
    assert labels_of(source) == {"0": "dog", "1": "dog"}


def test_rare_and_excluded_labels_are_left_out():
    assert labels_of(CaptionLabels(SOURCE, LABELS, 3, at_least=1)) == {"0": "dog", "3": "snow"}
    assert labels_of(CaptionLabels(SOURCE, LABELS, 2, at_least=1))["5"] == "man"
    without = CaptionLabels(SOURCE, LABELS, 2, exclude=["Dog"])
    assert set(labels_of(without).values()) == {"snow"}


def test_no_label_that_fits_is_one_line():
    with pytest.raises(UserError, match="none of 1 labels has 2 images with 2 captions that name it"):
        CaptionLabels(SOURCE, ["whale"], 2)
    with pytest.raises(UserError, match="start at 1"):
        CaptionLabels(SOURCE, LABELS, 0)


def test_episodes_bind_new_words_to_its_labels():
    task = Task(CaptionLabels(SOURCE, LABELS, 2), support=NewWords(ways=2))
    truth = labels_of(task.source)
    for pair in range(task.source.pairs):
        sample = task.sample(pair, seed=pair)
        images = [part for part in sample.prompt if isinstance(part, Image)]
        assert len(images) == 3
        words = [str(part).split()[0] for part in sample.prompt if not isinstance(part, Image)]
        shown = dict(zip([truth[image.name[0]] for image in images], words, strict=False))
        assert sample.target.strip() == shown[task.source[pair].answer]
        assert not set(words) & set(LABELS)
