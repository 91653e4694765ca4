"""Accuracy of choosing the true caption of an image among foils, and Winoground's text, image and group scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from frozenvl.metrics.accuracy import AccuracyScores, accuracy_scores
from frozenvl.metrics.metric import Metric

METRICS = (
    Metric("overall", "%", main=True),
    Metric("text_only", "%"),
    Metric("text", "%"),
    Metric("image", "%"),
    Metric("group", "%"),
)
"""Descriptions of these scores. `text`, `image` and `group` are given for items of two images and two captions."""
Item = tuple[tuple[str, str], tuple[str, str]]
"""Two queries with the same two captions: (query id, true caption) of each."""


def matching_scores(
    right: Mapping[str, bool],
    text_only: Mapping[str, bool],
    groups: Mapping[str, Mapping[str, str]],
    images: Mapping[str, str],
    items: Sequence[Item] = (),
    values: Mapping[str, Mapping[str, float]] | None = None,
) -> AccuracyScores:
    """Computes accuracies in percent: `overall`, `text_only`, both by group, and Winoground's scores of items.

    Args:
        right: query id → whether the true caption was chosen.
        text_only: query id → whether the likelihood without any image chooses the true caption.
        groups: query id → kind → group.
        images: query id → image id. Intervals resample images with all their queries.
        items: pairs of queries, Thrush et al. (2022): `text` needs both captions right, `image` needs each caption to
            have its higher value with its own image, `group` needs both. Intervals resample whole items.
        values: query id → caption → value that was compared.
    """
    images = {**images, **{second: images[first] for (first, _), (second, _) in items}}
    percent = {key: 100.0 * value for key, value in right.items()}
    scored = accuracy_scores(percent, groups, images)
    blind = accuracy_scores({key: 100.0 * value for key, value in text_only.items()}, groups, images)
    scores, sums = dict(scored.scores), dict(scored.sums)
    for name, score in blind.scores.items():
        key = "text_only" if name == "overall" else f"text_only/{name}"
        scores[key], sums[key] = score, blind.sums[name]
    for name, counted in _of_items(right, items, values or {}).items():
        other = accuracy_scores({key: 100.0 * counted.get(key, False) for key in right}, None, images)
        total = other.sums["overall"].copy()
        total[:, 1] = [sum(images[key] == unit for key in counted) for unit in other.units]
        scores[name], sums[name] = float(total[:, 0].sum() / total[:, 1].sum()), total
    return AccuracyScores(scores, scored.per_question, scored.units, sums)


def _of_items(
    right: Mapping[str, bool], items: Sequence[Item], values: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, bool]]:
    """Returns Winoground's scores by name: id of an item's first query → whether the item is right."""
    text, image = {}, {}
    for (first, one), (second, other) in items:
        text[first] = right[first] and right[second]
        here, there = values.get(first), values.get(second)
        image[first] = bool(here and there and here[one] > there[one] and there[other] > here[other])
    group = {key: text[key] and image[key] for key in text}
    return {"text": text, "image": image, "group": group} if items else {}


def chosen_is_last(candidates: Sequence[str], chosen: str) -> bool:
    """Returns whether the true caption, the last candidate, was chosen. A foil of the same text counts as wrong."""
    return candidates.index(chosen) == len(candidates) - 1


def highest_is_last(values: Sequence[float]) -> bool:
    """Returns whether the last candidate alone has the highest value. Without values it has not."""
    return bool(values) and values[-1] > max(values[:-1])


def items_of(candidates: Mapping[str, Sequence[str]]) -> list[Item]:
    """Returns the pairs of queries ITEM/0 and ITEM/1 with the same two captions, each the foil of the other.

    Args:
        candidates: query id → captions, the true one last.
    """
    halves: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for key, captions in sorted(candidates.items()):
        item, slash, number = key.rpartition("/")
        if slash and number in ("0", "1") and len(captions) == 2:
            halves[item].append((key, captions[-1]))
    pairs = ((pair[0], pair[1]) for pair in halves.values() if len(pair) == 2)
    return [
        (a, b) for a, b in pairs if list(candidates[a[0]]) == list(candidates[b[0]])[::-1] and a[1] != b[1]
    ]
