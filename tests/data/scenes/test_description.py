"""Scenes drawn at random: objects, attributes, places."""

import itertools
import math

from scene_words import place

from frozenvl.data.scenes.description import COLOURS, HELD_OUT, SEEN, SHAPES
from frozenvl.data.sources.scenes import SceneCaptions


def test_objects_are_inside_the_image_and_do_not_overlap():
    for split in ("train", "novel"):
        for example in SceneCaptions(split, size=1500):
            things = [thing for group in example.image.scene.groups for thing in group.things]
            for t in things:
                reach = 1.12 * t.diameter / 2
                assert reach <= min(t.x, t.y, 1 - t.x, 1 - t.y)
            for t, u in itertools.combinations(things, 2):
                assert math.dist((t.x, t.y), (u.x, u.y)) > 1.09 * (t.diameter + u.diameter) / 2


def test_named_places_match_coordinates():
    for example in SceneCaptions("val", size=1000):
        groups = example.image.scene.groups
        assert [g.place for g in groups] == [place(g, groups) for g in groups]


def test_each_colour_and_each_shape_is_in_one_held_out_combination():
    assert {c for c, _ in HELD_OUT} == set(COLOURS) and {s for _, s in HELD_OUT} == set(SHAPES)
    assert len(HELD_OUT) == 10 and not set(HELD_OUT) & set(SEEN) and len(SEEN) == 90
