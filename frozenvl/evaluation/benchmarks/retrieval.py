"""Retrieval: finds the captions of an image and the image of a caption by embeddings; recall@K and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frozenvl.data.order import Permutation
from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task
from frozenvl.evaluation.asks import Embed
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.sourced import Sourced, named_errors, own_name, placed, vectors_of
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics.retrieval import METRICS, chance, retrieval_scores
from frozenvl.util.errors import UserError


@dataclass(frozen=True)
class Item:
    """An image of the gallery with its captions, as queries."""

    image: Query
    captions: tuple[Query, ...]


class Retrieval(Sourced):
    """Embeds every image and every caption, and ranks all captions for each image and all images for each caption.

    Scores are recall@1, @5 and @10, median and mean rank in both directions, and `rsum`, the sum of the six recalls. A
    caption is right for its own image only, as in the field's tables, even if another image has a caption of the same
    text; such captions have one vector, so they tie. Ties count against the model. Examples with the same image file
    are one image with all their captions.

    An image that cannot be read is not searched. It and its captions count as not found.

    Args:
        task: name in `data.val` of the task to evaluate, by default "captions". Give either a task or a source.
        source: images with captions.
        head: embedding head of the model: its name, "" for its only one, null for the last hidden state of the language
            model behind each image and each caption.
        folds: number of consecutive groups of images that are also scored one by one, as means `folds/…`. COCO's 1k
            scores are 5 folds of its 5,000 test images.
        captions_per_image: number of captions of an image that are kept, the first ones; by default all.
    """

    protocol = "retrieval"
    metrics = METRICS

    def __init__(
        self,
        task: str | None = None,
        source: Source | None = None,
        head: str | None = "",
        folds: int = 1,
        captions_per_image: int | None = None,
    ) -> None:
        super().__init__(task or ("captions" if source is None else None), source)
        self.name = own_name(task, "captions", self.protocol)
        if folds < 1 or (captions_per_image or 1) < 1:
            raise UserError("Retrieval: folds and captions_per_image start at 1")
        self.ask = Embed(head)
        self.folds, self.captions_per_image = folds, captions_per_image
        self._items: list[Item] = []

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:
        super().bind(train, val)
        self._items = []

    def prepare(self, progress: bool) -> None:
        """Raises `UserError` if no example has a caption, or there are fewer images than folds."""
        with named_errors(self.name):
            len(self.items)

    @property
    def items(self) -> list[Item]:
        """Images of the gallery, in the source's order."""
        if self._items:
            return self._items
        captions: dict[str, list[str]] = {}
        images: dict[str, Query] = {}
        for index in range(len(self.source)):
            example = self.source[index]
            key = example.image.key
            if key not in images:
                images[key] = Query(f"{example.id}/image", (example.image,), example.image_id)
            captions.setdefault(key, []).extend(text for text in example.references if text.strip())
        if images and not any(captions.values()):
            raise UserError(
                "none of its examples has a caption; Retrieval needs images with captions, such as CocoCaptions; for "
                "labels there is ZeroShot"
            )
        if 0 < len(images) < self.folds:
            raise UserError(f"{len(images)} images cannot be split into {self.folds} folds; use fewer folds")
        self._items = [
            Item(image, tuple(self._captions(image, captions[key]))) for key, image in images.items()
        ]
        return self._items

    def _captions(self, image: Query, texts: Sequence[str]) -> list[Query]:
        stem = image.id.removesuffix("/image")
        return [
            Query(f"{stem}/caption{number}", (text,), image.image_id, references=(text,))
            for number, text in enumerate(texts[: self.captions_per_image])
        ]

    def settings(self) -> list[Setting]:
        facts = {"folds": self.folds} if self.folds > 1 else {}
        ties = {"ties": "against the model", "same_text": "right for its own image only"}
        return [Setting("", facts, ties)]

    def queries(self, setting: Setting) -> Sequence[Query]:
        """Returns the images and their captions. A limited evaluation asks for whole images with their captions."""
        order = Permutation(len(self.items), "gallery")
        return placed(
            [query for index in order for query in (self.items[index].image, *self.items[index].captions)]
        )

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        asked = [item for item in self.items if item.image.id in answers]
        images = [item.image for item in asked]
        owned = [
            (place, query)
            for place, item in enumerate(asked)
            for query in item.captions
            if query.id in answers
        ]
        of_text: dict[str, Answer] = {}
        for _, query in owned:
            of_text.setdefault(query.references[0], answers[query.id])
        vectors = (
            vectors_of([answers[query.id] for query in images]),
            vectors_of([of_text[query.references[0]] for _, query in owned]),
        )
        whole = len(asked) == len(self.items)
        result = retrieval_scores(
            vectors,
            [[place] for place, _ in owned],
            [query.image_id for query in images],
            self.folds if whole else 1,
        )
        searched = f"{len(images):,} images and {len(owned):,} captions are searched"
        result.notes.append(searched + ("" if whole else ", fewer than all: recalls are too high"))
        if unreadable := sum(answers[query.id].vector is None for query in images):
            result.notes.append(
                f"{unreadable:,} images cannot be read: they and their captions are not found"
            )
        if shared := number_shared(owned):
            result.notes.append(
                f"{shared:,} captions have the text of another image's caption, with which they tie"
            )
        return result

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Returns chance: the expected `rsum` of a random order."""
        owners = [[place] for place, item in enumerate(self.items) for _ in item.captions]
        return {"chance": chance(owners, len(self.items))}


def number_shared(owned: Sequence[tuple[int, Query]]) -> int:
    """Returns the number of captions whose text is also a caption of another image; takes (image, caption) pairs."""
    images_of: dict[str, set[int]] = {}
    for image, query in owned:
        images_of.setdefault(query.references[0], set()).add(image)
    return sum(len(images_of[query.references[0]]) > 1 for _, query in owned)
