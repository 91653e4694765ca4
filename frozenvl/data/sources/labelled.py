"""Image classification folders: a source of labelled images, and naming episodes drawn from them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Literal

from frozenvl.data.sources.folder import ENDINGS, ImageFolder, some_image
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Episode, Example, Image
from frozenvl.util.errors import UserError
from frozenvl.util.seeds import seed_from
from frozenvl.wording import NEW_WORDS


class LabelledImages(Source):
    """Labelled images for training, with one subfolder per class: `FOLDER/electric ray/1.jpg`.

    The answer of an image is the name of its class, with `_` read as a space.

    Args:
        folder: folder with a subfolder for each class.
        at_least: minimum number of images of a class; smaller classes are left out.

    Raises:
        UserError: if no class is left.
    """

    layout = "a folder of images by class"

    def __init__(self, folder: str, at_least: int = 2) -> None:
        self.source = ImageFolder(folder)
        labels = [self.source[index].kind.get("label", "") for index in range(len(self.source))]
        counts = Counter(labels)
        self.kept = [index for index, label in enumerate(labels) if label and counts[label] >= at_least]
        if left_out := len(labels) - len(self.kept):
            self.notes["images of small classes, or of none, left out"] = left_out
        self.notes.update(self.source.notes)
        if not self.kept:
            raise UserError(
                f"{folder}: none of its subfolders holds {at_least} images; its classes are subfolders"
            )

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Tells whether a folder holds images in several subfolders, and none beside them."""
        if not path.is_dir() or any(file.suffix.lower() in ENDINGS for file in path.iterdir()):
            return False
        return sum(some_image(folder) for folder in path.iterdir() if folder.is_dir()) > 1

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> Example:
        example = self.source[self.kept[index]]
        name = example.kind["label"].replace("_", " ")
        return replace(example, references=(name,), answer=name)

    def image_ids(self) -> list[str]:
        ids = self.source.image_ids()
        return [ids[index] for index in self.kept]


class LabelledEpisodes:
    """Random naming episodes from labelled images, with one subfolder per class: `FOLDER/electric ray/1.jpg`.

    Args:
        folder: folder with a subfolder for each class.
        size: number of episodes.
        seed: seed of the episodes.
        ways: number of classes in an episode.
        inner_shots: number of different support images of each class.
        names: names of the classes: `new`, nonce words such as "dax" (Open-Ended miniImageNet), or `real`, the
            subfolders' names with `_` read as a space (Real-Name miniImageNet).

    Raises:
        UserError: if there are fewer than `ways` classes of `inner_shots` + 1 images, or fewer nonce words.
    """

    def __init__(
        self,
        folder: str,
        size: int = 1000,
        seed: int = 0,
        ways: int = 2,
        inner_shots: int = 1,
        names: Literal["new", "real"] = "new",
    ) -> None:
        source = ImageFolder(folder)
        by_label: dict[str, list[Image]] = defaultdict(list)
        for index in range(len(source)):
            example = source[index]
            if "label" in example.kind:
                by_label[example.kind["label"]].append(example.image)
        self.images = {
            label: images for label, images in sorted(by_label.items()) if len(images) > inner_shots
        }
        if size < 1 or inner_shots < 1 or ways < 2:
            raise UserError(f"{folder}: size and inner_shots start at 1, ways at 2")
        if len(self.images) < ways:
            raise UserError(
                f"{folder}: {len(self.images)} of its subfolders hold {inner_shots + 1} images or more, and {ways} are "
                "needed; ask for fewer ways or inner_shots"
            )
        if names == "new" and ways > len(NEW_WORDS):
            raise UserError(f"{folder}: {ways} ways, but there are {len(NEW_WORDS)} new words; ask for fewer")
        self.size, self.seed, self.ways, self.inner_shots, self.names = size, seed, ways, inner_shots, names

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Episode:
        """Returns the episode at `index`. Raises `IndexError` outside 0 … size - 1."""
        if not 0 <= index < self.size:
            raise IndexError(f"episode {index} is not in 0 … {self.size - 1}")
        draw = Random(seed_from("labelled", self.seed, self.ways, self.inner_shots, index))
        labels = draw.sample(list(self.images), self.ways)
        new_words = draw.sample(list(NEW_WORDS), self.ways) if self.names == "new" else []
        names = dict(zip(labels, new_words or [label.replace("_", " ") for label in labels], strict=True))
        query_label = draw.choice(labels)
        images = {label: draw.sample(self.images[label], self.inner_shots + 1) for label in labels}
        support = [(image, f"This is a {names[label]}") for label in labels for image in images[label][1:]]
        draw.shuffle(support)
        return Episode(
            id=f"{self.seed}/{index}",
            support=tuple(support),
            query=images[query_label][0],
            question="This is a",
            answer=names[query_label],
            choices=tuple(names.values()),
        )
