"""`CaptionLabels`: captioned photographs as labelled ones, for episodes that bind new words to classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from frozenvl.data.sources.source import Source
from frozenvl.metrics.content_words import number_with
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


class CaptionLabels(Source):
    """Photographs labelled by a word that several of their captions have; the answer of an image is that word.

    Few data sets of photographs have many classes. Captions name what annotators agree on: with `NewWords`, the words
    that an episode binds to such classes are still new. An image that several labels fit gets the rarest one; of
    equally rare ones, the first by alphabet. Images that no label fits are left out and counted.

    Args:
        captions: images with captions.
        labels: words, such as nouns. They are compared as they are written: "dogs" is not "dog".
        min_captions: number of an image's captions that must have a label.
        at_least: minimum number of images of a label; rarer labels are left out and counted.
        exclude: labels to leave out, such as the classes of an evaluation.

    Raises:
        UserError: if a number is below 1, or no label is left.
    """

    def __init__(
        self,
        captions: Source,
        labels: Sequence[str],
        min_captions: int = 3,
        at_least: int = 2,
        exclude: Sequence[str] = (),
    ) -> None:
        if min_captions < 1 or at_least < 1:
            raise UserError("CaptionLabels: min_captions and at_least start at 1")
        refused = {name.lower() for name in exclude}
        wanted = list(dict.fromkeys(name for name in labels if name.lower() not in refused))
        self.captions, self.max_frames = captions, captions.max_frames
        self.notes.update(captions.notes)
        fitting = [
            [name for name, count in zip(wanted, counts, strict=True) if count >= min_captions]
            for counts in (number_with(captions[index].references, wanted) for index in range(len(captions)))
        ]
        images = Counter(name for names in fitting for name in names)
        labelled = [min(names, key=lambda name: (images[name], name), default="") for names in fitting]
        sizes = Counter(labelled)
        self.kept = [(index, name) for index, name in enumerate(labelled) if name and sizes[name] >= at_least]
        self.labels = sorted({name for _, name in self.kept})
        if left_out := len(wanted) - len(self.labels):
            self.notes["labels of too few images left out"] += left_out
        if left_out := len(captions) - len(self.kept):
            self.notes["images that no label fits left out"] += left_out
        if not self.kept:
            raise UserError(
                f"CaptionLabels: none of {len(wanted)} labels has {at_least} images with {min_captions} captions that "
                "name it; give other labels, or lower at_least or min_captions"
            )

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> Example:
        at, name = self.kept[index]
        return replace(self.captions[at], references=(name,), answer=name)

    def image_ids(self) -> list[str] | None:
        ids = self.captions.image_ids()
        return None if ids is None else [ids[at] for at, _ in self.kept]
