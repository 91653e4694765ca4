"""Views of images and videos."""

from __future__ import annotations

import pytest
from in_motion import BLUE, FORTH, GREEN, LONG, RED
from painted import Painted

from frozenvl.model.views import View, Views, images_of, indices
from frozenvl.util.errors import UserError
from frozenvl.video import Video

RULES = [Views(), Views(numbered=True, max_frames=4), Views(joint=True)]


def test_a_video_is_a_view_for_each_frame_or_one_in_all():
    in_a_row, numbered, joint = (rule.of(FORTH) for rule in RULES)
    assert in_a_row == [View((RED,)), View((GREEN,)), View((BLUE,))]
    assert numbered == [View((RED,), 0), View((GREEN,), 1), View((BLUE,), 2)]
    assert joint == [View((RED, GREEN, BLUE), 0)]
    assert [rule.most(FORTH) for rule in RULES] == [3, 3, 1]


@pytest.mark.parametrize("rule", RULES)
def test_an_image_and_a_video_of_one_frame_are_one_view(rule):
    assert rule.of(RED) == rule.of(Video([RED])) == [View((RED,))] and rule.most(RED) == 1


def test_more_frames_than_are_known_are_refused():
    assert len(Views(numbered=True, max_frames=4).of(LONG)) == 4
    with pytest.raises(UserError, match=r"gold.*4 frames, model\.temporal knows 3; .*`frames` to 4"):
        Views(joint=True, max_frames=3).of(LONG)


def test_keys_of_images_are_their_own_and_those_of_frames_name_their_place():
    assert View((RED,)).key == RED.key
    keys = {view.key for rule in RULES for video in (FORTH, LONG) for view in rule.of(video)}
    assert len(keys) == 4 + 7 + 2  # in a row, a frame of two videos is one image


def test_indices_name_each_image_once_and_pad_shorter_views():
    views = [View((RED,)), View((GREEN, RED), 0), View((RED,), 3)]
    images = images_of(views)
    of_view, numbers = indices(views, images)
    assert list(images) == [RED, GREEN]
    assert of_view.tolist() == [[0, -1], [1, 0], [0, -1]]
    assert numbers.tolist() == [[-1, -1], [0, 1], [3, -1]]
    assert indices([], {})[0].shape == (0, 0)
    assert Painted("red") != RED
