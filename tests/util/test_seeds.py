"""Addressed seeds."""

from __future__ import annotations

from frozenvl.util.seeds import seed_from


def test_a_seed_depends_on_every_part_and_on_their_borders():
    seeds = [seed_from("a", 1), seed_from("a", 2), seed_from("b", 1), seed_from("a1"), seed_from("a", 1, 0)]
    assert len(set(seeds)) == len(seeds) and all(0 <= seed < 2**63 for seed in seeds)


def test_a_seed_is_the_same_on_every_machine():
    """Resuming old runs and drawing old demonstrations again depend on these seeds."""
    assert seed_from("step", 0, 1) == 4906551112405970991
