"""Clips of a moving object: what order alone tells, counted over all paths of the smallest grid."""

from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict

import numpy as np
import pytest

from frozenvl.data.scenes import motion
from frozenvl.data.scenes.description import SEEN, arrange
from frozenvl.data.scenes.image import SceneImage
from frozenvl.data.scenes.motion import DIRECTIONS, EVENTS, MAX_FRAMES, MIN_FRAMES, look, move

STEP = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


class Told(random.Random):
    """Generator whose start and shift are given."""

    def __new__(cls, *places):
        return super().__new__(cls)

    def __init__(self, *places):
        super().__init__()
        self.places = list(places)

    def randrange(self, number):
        return self.places.pop(0)


def every_path(monkeypatch, rests, straight=False, number=MIN_FRAMES):
    """Yields the direction, whether the object stops, and the cells of every path of an event, equally likely ones."""
    steps = number - number // 3 if rests else number
    orders = [
        order
        for order in itertools.permutations(range(steps))
        if abs(np.corrcoef(range(steps), order)[0, 1]) <= 0.25 and (not rests or order[-1] in (0, steps - 1))
    ]
    assert len(orders) >= 2
    for order in orders:
        monkeypatch.setattr(motion, "_hops", lambda *_, order=order: list(order))
        for direction, start, shift in itertools.product(DIRECTIONS, range(number), range(number)):
            for stops in (True, False) if rests else (False,):
                event = "rest" if rests else "move"
                yield (
                    direction,
                    stops,
                    motion._path(Told(start, shift), direction, event, stops, number, straight),
                )


@pytest.mark.parametrize("rests", [False, True])
def test_frames_without_their_order_are_equally_likely_for_every_answer(monkeypatch, rests):
    by_direction, by_end = defaultdict(Counter), defaultdict(Counter)
    for direction, stops, cells in every_path(monkeypatch, rests):
        frames = tuple(sorted(cells))
        by_direction[direction][frames] += 1
        by_end[stops][frames] += 1
    for seen, answers in ((by_direction, 4), (by_end, 2 if rests else 1)):
        first, *others = seen.values()
        assert len(seen) == answers and all(counts == first for counts in others)


@pytest.mark.parametrize("rests", [False, True])
def test_a_single_frame_is_equally_likely_for_every_answer(monkeypatch, rests):
    seen = defaultdict(Counter)
    for direction, stops, cells in every_path(monkeypatch, rests):
        for time, cell in enumerate(cells):
            seen[direction, stops, time][cell] += 1
    for counts in seen.values():  # uniform over the grid, at any time
        assert len(counts) == MIN_FRAMES**2 and len(set(counts.values())) == 1


def test_frames_of_a_straight_path_tell_left_and_right_from_up_and_down_alone(monkeypatch):
    seen = defaultdict(Counter)
    for direction, _, cells in every_path(monkeypatch, False, straight=True):
        seen[direction][tuple(sorted(cells))] += 1
    assert seen["left"] == seen["right"] and seen["up"] == seen["down"]
    assert not seen["left"].keys() & seen["up"].keys()


def drawn(event, seed=0, number=8, straight=False):
    rng = random.Random(seed)
    return move(look(arrange([rng.choice(SEEN)], rng, max_count=1)), rng, event, number, straight)


def cells(clip):
    number = len(clip.frames)
    things = [frame.groups[0].things[0] for frame in clip.frames]
    return [tuple(round((at - 0.1) / 0.8 * number - 0.5) for at in (thing.x, thing.y)) for thing in things]


@pytest.mark.parametrize("number", [MIN_FRAMES, 7, 8, MAX_FRAMES])
@pytest.mark.parametrize("event", EVENTS)
def test_each_step_goes_one_cell_in_the_direction(event, number):
    for seed in range(60):
        clip = drawn(event, seed, number)
        assert len(clip.frames) == number and clip.stops <= (event == "rest")
        steps = list(itertools.pairwise(cells(clip)))
        resting = [before == after for before, after in steps]
        assert sum(resting) == (number // 3 if event == "rest" else 0)
        assert resting == sorted(resting, reverse=not clip.stops)  # rests at the end if it stops
        axis = STEP[clip.direction].index(0) ^ 1
        for before, after in steps:
            if before != after:
                assert (after[axis] - before[axis] - sum(STEP[clip.direction])) % number == 0
                assert before[1 - axis] != after[1 - axis]


@pytest.mark.parametrize("number", [MIN_FRAMES, 8, MAX_FRAMES])
def test_an_object_is_behind_its_squares_in_their_order_and_hidden_by_them(number):
    order = Counter()
    for seed in range(40):
        clip = drawn("behind", seed, number)
        squares = clip.frames[0].groups[1:]
        assert [group.shape for group in squares] == ["square", "square"]
        assert all(frame.groups[1:] == squares for frame in clip.frames)
        at = [(group.things[0].x, group.things[0].y) for group in squares]
        path = [(frame.groups[0].things[0].x, frame.groups[0].things[0].y) for frame in clip.frames]
        times = {path.index(place): group.colour for place, group in zip(at, squares, strict=True)}
        assert tuple(times[time] for time in sorted(times)) == clip.screens
        assert len({*clip.screens, clip.pair[0]}) == 3 and max(times) - min(times) not in (1, number - 1)
        order[clip.screens[0] == squares[0].colour] += 1
        if seed < 5:
            alone = [group for group in clip.frames[0].groups if group.shape == "square"]
            hidden = clip.frames[min(times)]
            without = type(hidden)(tuple(alone), hidden.background, hidden.noise)
            assert np.array_equal(SceneImage("", hidden, 128).read(), SceneImage("", without, 128).read()), (
                "the object shows"
            )
    assert min(order.values()) > 10


def test_the_squares_that_can_hide_a_path_do_not_depend_on_the_order_of_its_frames():
    for seed in range(50):
        path = cells(drawn("behind", seed))
        pairs = motion._apart(path, 8)
        assert pairs == motion._apart(path[::-1], 8) and pairs
        turned = motion._apart([(row, column) for column, row in path], 8)
        assert {frozenset((y, x) for x, y in pair) for pair in turned} == {frozenset(pair) for pair in pairs}


def test_directions_and_events_are_equally_frequent():
    ways = Counter(drawn("move", seed).direction for seed in range(2000))
    assert set(ways) == set(DIRECTIONS) and min(ways.values()) > 430
    stops = Counter(drawn("rest", seed).stops for seed in range(1000))
    assert min(stops.values()) > 420


def test_a_straight_path_stays_on_its_line():
    for event in EVENTS:
        for seed in range(20):
            clip = drawn(event, seed, straight=True)
            columns, rows = zip(*cells(clip), strict=True)
            assert len(set(rows if clip.direction in ("left", "right") else columns)) == 1


def test_frames_are_inside_the_picture_and_share_what_does_not_move():
    clip = drawn("move", 1)
    things = [frame.groups[0].things[0] for frame in clip.frames]
    for thing in things:
        assert 1.04 * thing.diameter / 2 < min(thing.x, thing.y, 1 - thing.x, 1 - thing.y)
    assert len({(frame.background, frame.noise) for frame in clip.frames}) == 1
    assert len({SceneImage("", frame).digest for frame in clip.frames}) == 8
