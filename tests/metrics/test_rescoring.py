"""The protocols whose predictions are scored again, and what they need."""

from __future__ import annotations

import pytest

from frozenvl.evaluation import benchmarks
from frozenvl.metrics.rescoring import PROTOCOLS, protocol_of, rescore, rescoring_of
from frozenvl.util.errors import UserError

MAPS_AND_PICTURES = {
    "pointing_game",
    "deletion",
    "randomisation",
    "completeness",
    "reconstruction",
    "drawing",
}
"""Protocols whose predictions are maps or pictures, which `frozenvl compare` leaves out (docs/evaluation.md)."""


def test_the_predictions_of_every_benchmark_are_scored_again_but_maps_and_pictures():
    known = {getattr(benchmarks, name).protocol for name in benchmarks.__all__}
    assert known - PROTOCOLS.keys() == MAPS_AND_PICTURES and PROTOCOLS.keys() <= known


def test_an_own_protocol_is_refused():
    with pytest.raises(UserError, match="predictions of 'mine' are not compared; only those of captions, "):
        rescoring_of("mine")


def test_the_protocol_of_predictions_without_a_score_file():
    assert protocol_of({"1": {"question": ""}}) == "captions"
    assert protocol_of({"1": {"question": ""}, "2": {"question": "Is it?"}}) == "vqa"
    for row in ({"vector": "AAA="}, {"candidates": ["a", "b"]}):
        with pytest.raises(UserError, match=r"no score\.json stands beside it"):
            protocol_of({"1": row})


def test_older_score_files_are_answered_with_what_to_do():
    facts = {"by": "embedding", "templates": ["{label}"], "min_captions": 1}
    with pytest.raises(UserError, match="does not record labels, k; evaluate the run again"):
        rescore(PROTOCOLS["tagging"], {}, facts)
