"""Retrieval: finds the captions of an image and the image of a caption by embeddings; recall@K and ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from frozenvl.data.order import Permutation
from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task
from frozenvl.evaluation.asks import Embed, EmbedAndChoose, Measure
from frozenvl.evaluation.asks.match import choosing
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.querybank import Querybank
from frozenvl.evaluation.benchmarks.sourced import Sourced, named_errors, own_name, placed, vectors_of
from frozenvl.evaluation.query import Answer, Query
from frozenvl.evaluation.tiles import retrieval_tiles
from frozenvl.metrics.querybank import SCALE
from frozenvl.metrics.ranking import top_candidates
from frozenvl.metrics.reranking import RerankedScores, reranked_metrics
from frozenvl.metrics.retrieval import METRICS, Reranking, chance, retrieval_scores
from frozenvl.model.matching import QUESTION
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError
from frozenvl.util.gallery import Tile
from frozenvl.wording import Template


@dataclass(frozen=True)
class Item:
    """An image of the gallery with its captions, as queries."""

    example: Example
    """First example with this image."""
    image: Query
    captions: tuple[Query, ...]


@dataclass(frozen=True)
class Gallery:
    """The images and captions that were asked, with their vectors."""

    items: list[Item]
    captions: list[Query]
    owners: list[int]
    """Index of the item of each caption."""
    vectors: tuple[np.ndarray, np.ndarray]
    """Vectors (images, dim) and (captions, dim), compared by inner product; nan for an unreadable one."""


class Retrieval(Sourced):
    """Embeds every image and every caption, and ranks all captions for each image and all images for each caption.

    Scores are recall@1, @5 and @10, median and mean rank in both directions, and `rsum`, the sum of the six recalls. A
    caption is right for its own image only, as in the field's tables, even if another image has a caption of the same
    text; such captions have one vector, so they tie. Ties count against the model. Examples with the same image file
    are one image with all their captions.

    An image that cannot be read is not searched. It and its captions count as not found.

    With `rerank`, the first captions of each image are ordered again: by the captioner's likelihood, without any
    further training, or by a matching head. The scores `reranked/…` and `gain/…` stand beside the others. Captions are
    not re-ranked as queries: each would need a pass over every candidate image.

    With a `bank`, similarities are corrected for images and captions that are near to everything (querybank
    normalisation). The bank is embedded beside the gallery. It has to be training data: the gallery is not looked at.

    Args:
        task: name in `data.val` of the task to evaluate, by default "captions". Give either a task or a source.
        source: images with captions.
        head: embedding head of the model: its name, "" for its only one, null for the last hidden state of the language
            model behind each image and each caption.
        folds: number of consecutive groups of images that are also scored one by one, as means `folds/…`. COCO's 1k
            scores are 5 folds of its 5,000 test images.
        captions_per_image: number of captions of an image that are kept, the first ones; by default all.
        rerank: number of captions of each image that are ordered again; 0 for none, 10 or more for `reranked/rsum`.
        rerank_by: log-probability of a caption: its "sum" over tokens, its "mean", "calibrated" (sum minus the sum
            given a black image) or "difference" (sum minus `alpha` times the sum without any image). Or "head", the
            logit of a trained matching head; or "yes", log p(yes) - log p(no) after a question.
        alpha: weight of the log-probability without images in "difference".
        similarity_weight: weight of the cosine similarity that is added to the log-probability or logit.
        template: wording of the captions that are re-ranked; by default the task's, or the caption behind the image.
        matching_head: name of the matching head for "head"; by default the model's only one.
        question: question about a caption for "yes", with the field `{text}`. The image is before it.
        bank: images with captions of the training data, for querybank normalisation; null for none.
        bank_size: number of images of the bank, each with one caption.
    """

    protocol = "retrieval"

    def __init__(
        self,
        task: str | None = None,
        source: Source | None = None,
        head: str | None = "",
        folds: int = 1,
        captions_per_image: int | None = None,
        rerank: int = 0,
        rerank_by: Measure | Literal["head", "yes"] = "difference",
        alpha: float = 1.0,
        similarity_weight: float = 0.0,
        template: Template | None = None,
        matching_head: str | None = None,
        question: str = QUESTION,
        bank: Source | None = None,
        bank_size: int = 1000,
    ) -> None:
        super().__init__(task or ("captions" if source is None else None), source)
        self.name = own_name(task, "captions", self.protocol)
        if folds < 1 or (captions_per_image or 1) < 1:
            raise UserError("Retrieval: folds and captions_per_image start at 1")
        if rerank < 0:
            raise UserError("Retrieval: rerank is a number of captions, from 0")
        again = choosing(rerank_by, alpha, matching_head, question, end_token=False)
        self.ask = EmbedAndChoose(Embed(head), again) if rerank else Embed(head)
        self.metrics = reranked_metrics() if rerank else METRICS
        self.rerank, self.similarity_weight = rerank, similarity_weight
        self._own_template = template
        self.template = (template or Template()) if rerank else None
        self.folds, self.captions_per_image = folds, captions_per_image
        self.bank = None if bank is None else Querybank(bank, bank_size)
        self._items: list[Item] = []

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:
        super().bind(train, val)
        self._items = []
        if self.rerank and self.task is not None:
            self.template = self._own_template or val[self.task].template

    def prepare(self, progress: bool) -> None:
        """Raises `UserError` if no example has a caption, or there are fewer images than folds."""
        with named_errors(self.name):
            gallery = [item.example.image.key for item in self.items]
            if self.bank is not None:
                self.bank.check(gallery)

    @property
    def items(self) -> list[Item]:
        """Images of the gallery, in the source's order."""
        if self._items:
            return self._items
        captions: dict[str, list[str]] = {}
        examples: dict[str, Example] = {}
        for index in range(len(self.source)):
            example = self.source[index]
            key = example.image.key
            examples.setdefault(key, example)
            captions.setdefault(key, []).extend(text for text in example.references if text.strip())
        if examples and not any(captions.values()):
            raise UserError(
                "none of its examples has a caption; Retrieval needs images with captions, such as CocoCaptions; for "
                "labels there is ZeroShot"
            )
        if 0 < len(examples) < self.folds:
            raise UserError(
                f"{len(examples)} images cannot be split into {self.folds} folds; use fewer folds"
            )
        self._items = [
            self._item(place, example, captions[key]) for place, (key, example) in enumerate(examples.items())
        ]
        return self._items

    def _item(self, place: int, example: Example, texts: Sequence[str]) -> Item:
        # The place is recorded with the predictions, whose order is another, so that they can be scored again.
        kind = {"place": str(place)}
        image = Query(f"{example.id}/image", (example.image,), example.image_id, kind=kind)
        captions = [
            Query(f"{example.id}/caption{number}", (text,), example.image_id, references=(text,))
            for number, text in enumerate(texts[: self.captions_per_image])
        ]
        return Item(example, image, tuple(captions))

    def settings(self) -> list[Setting]:
        facts = {"folds": self.folds} if self.folds > 1 else {}
        ties = {"ties": "against the model", "same_text": "right for its own image only"}
        reranked = {"rerank": self.rerank, "similarity_weight": self.similarity_weight} if self.rerank else {}
        bank = {} if self.bank is None else {"bank": len(self.bank), "bank_scale": SCALE}
        return [Setting("", facts, ties | reranked | bank)]

    def queries(self, setting: Setting) -> Sequence[Query]:
        """Returns the images and their captions, then the bank. A limited evaluation asks for whole images."""
        order = Permutation(len(self.items), "gallery")
        asked = [query for index in order for query in (self.items[index].image, *self.items[index].captions)]
        return placed([*asked, *(self.bank.queries if self.bank is not None else ())])

    def _gallery(self, answers: Mapping[str, Answer]) -> Gallery:
        """Returns what was asked. Captions of the same text have one vector, so that they tie."""
        items = [item for item in self.items if item.image.id in answers]
        owned = [(n, query) for n, item in enumerate(items) for query in item.captions if query.id in answers]
        of_text: dict[str, Answer] = {}
        for _, query in owned:
            of_text.setdefault(query.references[0], answers[query.id])
        if not owned:
            raise UserError(
                f"{self.name}: no image was asked together with its captions; evaluate more batches (--limit, "
                "trainer.limit_val_batches)"
            )
        rows = vectors_of(
            [
                *(answers[item.image.id] for item in items),
                *(of_text[query.references[0]] for _, query in owned),
            ]
        )
        vectors = rows[: len(items)], rows[len(items) :]
        if self.bank is not None and self.bank.is_asked(answers):
            vectors = self.bank.normalised(vectors, answers)
        return Gallery(items, [query for _, query in owned], [place for place, _ in owned], vectors)

    def further_queries(self, setting: Setting, answers: Mapping[str, Answer]) -> Sequence[Query]:
        """Returns a query for each image that was read, with its nearest captions as candidates."""
        if self.template is None:
            return ()
        gallery, target = self._gallery(answers), self.template.target
        texts = [target.format(target=query.references[0]) for query in gallery.captions]
        return [
            Query(
                rerank_id(item),
                self.template.prompt(item.example),
                item.example.image_id,
                candidates=tuple(texts[place] for place in row),
            )
            for item, row in zip(gallery.items, top_candidates(gallery.vectors, self.rerank), strict=True)
            if answers[item.image.id].vector is not None
        ]

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        gallery = self._gallery(answers)
        owners, whole = [[place] for place in gallery.owners], len(gallery.items) == len(self.items)
        photographs = [item.example.image_id for item in gallery.items]
        result = retrieval_scores(gallery.vectors, owners, photographs, self.folds if whole else 1)
        searched = f"{len(gallery.items):,} images and {len(gallery.captions):,} captions are searched"
        result.notes.append(searched + ("" if whole else ", fewer than all: recalls are too high"))
        if unreadable := sum(answers[item.image.id].vector is None for item in gallery.items):
            result.notes.append(
                f"{unreadable:,} images cannot be read: they and their captions are not found"
            )
        if self.bank is not None and not self.bank.is_asked(answers):
            result.notes.append("the bank was not asked: similarities are not normalised")
        if shared := number_shared(gallery):
            result.notes.append(
                f"{shared:,} captions have the text of another image's caption, with which they tie"
            )
        if not self.rerank:
            return result
        again = self._reranking(gallery, answers)
        after = retrieval_scores(gallery.vectors, owners, photographs, rerank={"i2t": again})
        return RerankedScores(result, after)

    def tiles(self, setting: Setting, answers: Mapping[str, Answer]) -> Iterator[Tile]:
        """Yields the first images of some captions, and the first captions of some images, by their embeddings."""
        gallery = self._gallery(answers)
        images = [item.example.image for item in gallery.items]
        texts = [query.references[0] for query in gallery.captions]
        return retrieval_tiles(images, texts, gallery.owners, gallery.vectors)

    def _reranking(self, gallery: Gallery, answers: Mapping[str, Answer]) -> Reranking:
        """Returns the new scores of each image's candidates; nan for an image that was not read."""
        candidates = top_candidates(gallery.vectors, self.rerank)
        scores = np.full(candidates.shape, np.nan)
        images, captions = gallery.vectors
        for row, item in enumerate(gallery.items):
            answer = answers.get(rerank_id(item))
            if answer and answer.values:
                cosines = captions[candidates[row]] @ images[row]
                scores[row] = np.array(answer.values) + self.similarity_weight * cosines
        return Reranking(candidates, scores)

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Returns chance: the expected `rsum` of a random order."""
        owners = [[place] for place, item in enumerate(self.items) for _ in item.captions]
        return {"chance": chance(owners, len(self.items))}


def rerank_id(item: Item) -> str:
    """Returns the id of the query that re-ranks an image's captions."""
    return item.image.id.removesuffix("/image") + "/rerank"


def number_shared(gallery: Gallery) -> int:
    """Returns the number of captions whose text is also a caption of another image."""
    images_of: dict[str, set[int]] = {}
    for owner, query in zip(gallery.owners, gallery.captions, strict=True):
        images_of.setdefault(query.references[0], set()).add(owner)
    return sum(len(images_of[query.references[0]]) > 1 for query in gallery.captions)
