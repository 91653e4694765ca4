"""Caption scores of groups of images."""

from __future__ import annotations

import random

import numpy as np
import pytest
from coco_caption import pycocoevalcap_scores, random_set

from frozenvl.metrics.bootstrap import paired_bootstrap
from frozenvl.metrics.caption_groups import grouped_caption_scores
from frozenvl.metrics.captions import CAPTION_METRICS, METRICS, caption_scores
from frozenvl.metrics.metric import metric_of
from frozenvl.util.errors import UserError

CANDIDATES, REFERENCES = random_set(random.Random(3), images=12)
DOMAINS = ("in-domain", "near-domain", "out-domain")
GROUPS = {image: {"domain": DOMAINS[place % 3], "empty": ""} for place, image in enumerate(REFERENCES)}


def of(domain: str) -> tuple[dict, dict]:
    """Returns candidates and references of a domain alone."""
    images = [image for image in REFERENCES if GROUPS[image]["domain"] == domain]
    return {i: CANDIDATES[i] for i in images}, {i: REFERENCES[i] for i in images}


def test_a_group_is_scored_as_its_images_alone():
    found = grouped_caption_scores(CANDIDATES, REFERENCES, GROUPS)
    whole = caption_scores(CANDIDATES, REFERENCES)
    expected = dict(whole.scores)
    for domain in DOMAINS:
        expected |= {f"domain/{domain} {name}": v for name, v in caption_scores(*of(domain)).scores.items()}
        official, _ = pycocoevalcap_scores(*of(domain))
        for name in CAPTION_METRICS:
            assert found.scores[f"domain/{domain} {name}"] == pytest.approx(official[name], abs=1e-9)
    assert found.scores == expected
    assert (found.per_image, found.per_query, found.units) == (whole.per_image, whole.per_query, whole.units)


def test_the_idf_of_a_group_is_not_that_of_all_images():
    found = grouped_caption_scores(CANDIDATES, REFERENCES, GROUPS)
    images, _ = of("in-domain")
    mean = np.mean([found.per_image[image]["CIDEr"] for image in images])
    assert abs(found.scores["domain/in-domain CIDEr"] - mean) > 0.01


def test_only_the_wanted_metrics_are_computed():
    found = grouped_caption_scores(CANDIDATES, REFERENCES, GROUPS, ["Bleu_4"])
    assert list(found.scores) == ["Bleu_4", *(f"domain/{domain} Bleu_4" for domain in DOMAINS)]


def test_images_may_lack_groups():
    plain = grouped_caption_scores(CANDIDATES, REFERENCES, {})
    assert plain.scores == caption_scores(CANDIDATES, REFERENCES).scores


def test_in_a_partial_score_uncaptioned_images_count_in_the_idf_of_their_group():
    images, references = of("in-domain")
    few = dict(list(images.items())[:2])
    found = grouped_caption_scores(few, REFERENCES, GROUPS, partial=True)
    alone = caption_scores(few, references, partial=True)
    assert {name for name in found.scores if "/" in name} == {
        f"domain/in-domain {m}" for m in CAPTION_METRICS
    }
    assert found.scores["domain/in-domain CIDEr"] == alone.scores["CIDEr"]
    with pytest.raises(UserError, match="10 of 12 images have no caption"):
        grouped_caption_scores(few, REFERENCES, GROUPS)


def test_resampled_scores_of_a_group_are_those_of_its_images():
    found = grouped_caption_scores(CANDIDATES, REFERENCES, GROUPS)
    weights = np.random.default_rng(0).integers(0, 3, (5, 12)).astype(float)
    weights[0, 0::3] = 0  # no image of in-domain in the first sample
    drawn = found.reweighted(weights)
    assert drawn.keys() == found.scores.keys()
    assert np.isnan(drawn["domain/in-domain CIDEr"][0]) and np.isnan(drawn["domain/in-domain Bleu_4"][0])
    for place, domain in enumerate(DOMAINS):
        first = 1 if domain == "in-domain" else 0
        own = caption_scores(*of(domain)).reweighted(weights[first:, place::3])
        for name, values in own.items():
            np.testing.assert_array_equal(drawn[f"domain/{domain} {name}"][first:], values)


def test_every_score_has_an_interval_and_a_difference():
    found = grouped_caption_scores(CANDIDATES, REFERENCES, GROUPS)
    intervals = found.intervals()
    assert intervals.keys() == found.scores.keys()
    assert all(np.isfinite(bounds).all() for bounds in intervals.values())
    low, high = intervals["domain/in-domain CIDEr"]
    assert low < found.scores["domain/in-domain CIDEr"] < high
    assert paired_bootstrap(found, found)["domain/in-domain CIDEr"].difference == 0


def test_notes_of_a_group_name_it():
    groups = {"1": {"domain": "in"}, "2": {"domain": "in"}, "3": {"domain": "out"}}
    texts = {image: CANDIDATES[other] for image, other in zip("123", CANDIDATES, strict=False)}
    references = {image: REFERENCES[other] for image, other in zip("123", REFERENCES, strict=False)}
    found = grouped_caption_scores(texts, references, groups)
    assert found.notes == ["domain/out: CIDEr is 0: its idf comes from the references of one single image"]


def test_tables_leave_scores_of_groups_out_unless_all_are_requested():
    metric = metric_of("domain/in-domain CIDEr", METRICS)
    assert (metric.digits, metric.better, metric.shown, metric.main) == (3, "higher", False, False)
