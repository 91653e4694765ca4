"""Retrieval between images and texts: recall@K, median and mean rank in both directions, and their sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from frozenvl.metrics import bootstrap
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.ranking import (
    MAX_SCORES,
    Similarity,
    first_ranks,
    reranked,
    shape_of,
    transposed,
)
from frozenvl.util.errors import UserError

RECALLS = (1, 5, 10)
"""Values of K of recall@K."""
Direction = Literal["i2t", "t2i"]
"""Image to text: images are queries, captions are items. Text to image: captions are queries, images are items."""


def _metrics() -> tuple[Metric, ...]:
    """Returns `rsum`, then recalls, median rank and mean rank of each direction, then the same over folds."""
    described = [Metric("rsum", main=True)]
    for direction in ("i2t", "t2i"):
        described += [Metric(f"{direction}_r{k}", "%") for k in RECALLS]
        described += [Metric(f"{direction}_medr", digits=0, better="lower")]
        described += [Metric(f"{direction}_meanr", better="lower", shown=False)]
    return (*described, *(replace(one, name=f"folds/{one.name}", main=False) for one in described))


METRICS = _metrics()
"""Descriptions of these scores. Those of `folds/` are given if there are several folds."""


@dataclass(frozen=True)
class Ranks:
    """Ranks of the queries of one direction."""

    direction: Direction
    ranks: np.ndarray
    """Rank (queries,) of the first correct item of each query, from 1."""
    units: np.ndarray
    """Index (queries,) of the unit that each query is resampled with."""
    known: float = np.inf
    """Largest rank that is known: the number of candidates of a re-ranking. All ranks beyond it are equal."""

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns recalls in percent, median and mean rank as (samples,), for unit weights (samples, units)."""
        count = np.bincount(self.units, minlength=weights.shape[1])
        asked = weights @ count
        mean = lambda values: np.divide(
            weights @ np.bincount(self.units, values, minlength=weights.shape[1]), asked
        )
        scores = {}
        with np.errstate(invalid="ignore"):
            for k in (k for k in RECALLS if k <= self.known):
                scores[f"{self.direction}_r{k}"] = mean(100.0 * (self.ranks <= k))
            if self.known == np.inf:
                scores[f"{self.direction}_medr"] = self._median(weights)
                scores[f"{self.direction}_meanr"] = mean(self.ranks.astype(float))
        return scores

    def _median(self, weights: np.ndarray) -> np.ndarray:
        """Returns the median rank (samples,), rounded down if it lies between two ranks, as in VSE++'s code."""
        order = np.argsort(self.ranks, kind="stable")
        ranks, units = self.ranks[order], self.units[order]
        step = max(1, MAX_SCORES // len(ranks))
        medians = []
        for start in range(0, len(weights), step):
            below = np.cumsum(weights[start : start + step, units], axis=1)
            total = below[:, -1:]
            middle = [ranks[(below > half).argmax(axis=1)] for half in ((total - 1) // 2, total // 2)]
            medians.append(np.where(total[:, 0] > 0, (middle[0] + middle[1]) // 2, np.nan))
        return np.concatenate(medians)


@dataclass(frozen=True)
class RetrievalScores:
    """Scores of retrieval in both directions. Recalls are in percent, `rsum` is their sum."""

    scores: dict[str, float]
    units: list[str]
    """Ids of the photographs that intervals resample, each with its captions."""
    whole: tuple[Ranks, ...] = field(repr=False)
    """Ranks of each direction among all items."""
    folds: tuple[tuple[Ranks, ...], ...] = field(default=(), repr=False)
    """Ranks of each direction among the items of each fold."""
    notes: list[str] = field(default_factory=list)
    """Remarks that matter when reading the scores, one line each."""

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns every score as (samples,). In sample i, photograph j counts `weights[i, j]` times, as a query.

        The items that are searched remain the whole set: a sample with a photograph left out is not an easier task.
        """
        scores = _summed(self.whole, weights)
        if self.folds:
            folds = [_summed(fold, weights) for fold in self.folds]
            scores |= {f"folds/{name}": np.mean([fold[name] for fold in folds], axis=0) for name in folds[0]}
        return scores

    def intervals(
        self, confidence: float = 0.95, samples: int = 1000, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """Returns the bootstrap percentile interval (low, high) of every score. Resamples photographs."""
        return bootstrap.intervals(self, confidence, samples, seed)


@dataclass(frozen=True)
class Reranking:
    """Scores of the first k items of each query by another scorer, such as image–text matching."""

    candidates: np.ndarray
    """Indices (queries, k) of the items, as `top_candidates` chooses them."""
    scores: np.ndarray
    """Score (queries, k) of each candidate; the highest is first."""


def retrieval_scores(
    similarity: Similarity,
    images_of: Sequence[Sequence[int]],
    photographs: Sequence[str] | None = None,
    folds: int = 1,
    rerank: Mapping[Direction, Reranking] | None = None,
) -> RetrievalScores:
    """Computes recall@1, @5 and @10, median and mean rank in both directions, and `rsum`, the sum of the six recalls.

    Recall@K is the share of queries with a correct item among the first K, as in VSE++, CLIP and BLIP: for an image,
    one of its captions is enough. (The share of its captions that are found is another quantity.) A caption is correct
    for its own images only, even if another image has a caption of the same text. Equal similarities count against the
    model. An item that is missing, such as an unreadable image, is never found, and does not stand in others' way.

    Images without captions and captions without an image are searched, but are no queries.

    Args:
        similarity: similarities (images, captions), or vectors of images (N, dim) and of captions (M, dim).
        images_of: indices of the images of each caption: usually one, but none or several are possible.
        photographs: id of each image, which intervals resample; equal ids are one photograph. By default all differ.
            A caption of several images is resampled with the first.
        folds: number of consecutive groups of images that are also scored one by one. The scores `folds/…` are means
            over them (COCO 1k: 5 folds of 1,000 images). If the number is not divisible, groups differ by one.
        rerank: new scores of the first candidates of each query, by direction. Ranks beyond them are not known, so the
            mean and median rank and the recalls beyond their number are left out, and a note says so.

    Raises:
        UserError: if the sizes do not fit together, no image has a caption, or the number of folds is not possible.
    """
    images, captions = shape_of(similarity)
    if len(images_of) != captions:
        raise UserError(f"{captions} captions, but the images of {len(images_of)} are given; give one each")
    if any(not 0 <= image < images for owners in images_of for image in owners):
        raise UserError(f"a caption belongs to an image outside 0 … {images - 1}; check the indices")
    if not any(images_of):
        raise UserError(
            "no image has a caption, so nothing can be retrieved; give images with their captions"
        )
    if not 1 <= folds <= images:
        raise UserError(f"{images} images cannot be split into {folds} folds; use fewer")
    if folds > 1 and rerank:
        raise UserError(
            "re-ranked candidates come from all items, not from a fold; leave out folds or rerank"
        )
    ids = [*photographs] if photographs is not None else [str(index) for index in range(images)]
    place = {unit: index for index, unit in enumerate(dict.fromkeys(ids))}
    units = np.array([place[unit] for unit in ids])
    whole = _both(similarity, images_of, units, rerank or {})
    groups = np.array_split(np.arange(images), folds) if folds > 1 else []
    parts = tuple(_fold(similarity, images_of, units, group) for group in groups)
    notes = [
        f"{direction}: only the first {ranking.scores.shape[1]} candidates were re-ranked; ranks beyond are void"
        for direction, ranking in (rerank or {}).items()
    ]
    result = RetrievalScores({}, list(place), whole, parts, notes)
    once = result.reweighted(np.ones((1, len(place))))
    return replace(result, scores={name: float(value[0]) for name, value in once.items()})


def _both(
    similarity: Similarity,
    images_of: Sequence[Sequence[int]],
    units: np.ndarray,
    rerank: Mapping[Direction, Reranking],
) -> tuple[Ranks, ...]:
    """Returns the ranks of both directions; `units` are those of the images."""
    captions_of: list[list[int]] = [[] for _ in units]
    for caption, owners in enumerate(images_of):
        for image in owners:
            captions_of[image].append(caption)
    of_captions = np.array([units[owners[0]] if len(owners) else 0 for owners in images_of])
    directions: tuple[tuple[Direction, Similarity, Sequence[Sequence[int]], np.ndarray], ...] = (
        ("i2t", similarity, captions_of, units),
        ("t2i", transposed(similarity), images_of, of_captions),
    )
    ranked = []
    for direction, scores, own, unit_of in directions:
        if again := rerank.get(direction):
            ranks, known = reranked(again.candidates, again.scores, own), float(again.scores.shape[1])
        else:
            ranks, known = first_ranks(scores, own), np.inf
        asked = ranks > 0
        ranked.append(Ranks(direction, ranks[asked], unit_of[asked], known))
    return tuple(ranked)


def _fold(
    similarity: Similarity, images_of: Sequence[Sequence[int]], units: np.ndarray, group: np.ndarray
) -> tuple[Ranks, ...]:
    """Returns the ranks among the images of a group and their captions."""
    place = {image: index for index, image in enumerate(group.tolist())}
    inside = [[place[image] for image in owners if image in place] for owners in images_of]
    chosen = np.flatnonzero([bool(owners) for owners in inside])
    if not len(chosen):
        raise UserError(f"a fold of {len(group)} images has no caption; use fewer folds")
    part: Similarity
    if isinstance(similarity, tuple):
        part = similarity[0][group], similarity[1][chosen]
    else:
        part = similarity[np.ix_(group, chosen)]
    return _both(part, [inside[caption] for caption in chosen], units[group], {})


def _summed(both: Sequence[Ranks], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the scores of both directions, after `rsum` if all recalls are known."""
    scores = {name: values for ranks in both for name, values in ranks.reweighted(weights).items()}
    recalls = [f"{ranks.direction}_r{k}" for ranks in both for k in RECALLS]
    if not scores.keys() >= {*recalls}:
        return scores
    return {"rsum": np.sum([scores[name] for name in recalls], axis=0)} | scores


def chance(images_of: Sequence[Sequence[int]], images: int) -> float:
    """Returns the expected `rsum` of a random order.

    Args:
        images_of: indices of the images of each caption.
        images: number of images.
    """
    captions_of = np.bincount([image for owners in images_of for image in owners], minlength=images)
    total = 0.0
    for own, items in ((captions_of, len(images_of)), (np.array([len(o) for o in images_of]), images)):
        own = own[own > 0]
        for k in RECALLS:
            # Probability that none of the first k items, drawn without replacement, is an own one.
            places = np.arange(min(k, items))
            missed = np.prod(np.clip(items - own[:, None] - places, 0, None) / (items - places), axis=1)
            total += 100 * float((1 - missed).mean())
    return total
