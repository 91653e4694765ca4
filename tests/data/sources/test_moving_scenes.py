"""Moving scenes as sources: determinism, splits, what is shown, shared frames."""

from __future__ import annotations

import hashlib
import pickle
from collections import Counter

import pytest

from frozenvl.data.scenes.description import HELD_OUT, SEEN
from frozenvl.data.scenes.image import SceneImage
from frozenvl.data.sources.moving_scenes import MovingSceneCaptions, MovingSceneQuestions
from frozenvl.util.errors import UserError
from frozenvl.video import Video


def scenes(example):
    return [frame.scene for frame in example.image.frames]


def test_clips_never_change():
    """Compares descriptions and texts; pixels may differ slightly between versions of Pillow."""
    captions, questions = MovingSceneCaptions("val", per_clip=2), MovingSceneQuestions("val")
    described = [(captions[i].references, scenes(captions[i])) for i in range(30)]
    asked = [(questions[i].question, questions[i].answer, questions[i].choices) for i in range(30)]
    shuffled = [scenes(MovingSceneQuestions("val", shown="shuffled")[i]) for i in range(5)]
    digest = hashlib.sha256(repr((described, asked, shuffled)).encode()).hexdigest()
    assert digest[:16] == "46e687b4a670b186"


def test_examples_do_not_depend_on_order_or_process():
    source = MovingSceneQuestions(size=20, looks=3)
    copy = pickle.loads(pickle.dumps(source))
    assert [copy[i] for i in reversed(range(20))] == list(source)[::-1]


def test_captions_and_questions_are_about_the_same_clips_however_they_are_shown():
    captions, questions = MovingSceneCaptions(size=20), MovingSceneQuestions(size=20)
    shuffled, one = (MovingSceneQuestions(size=20, shown=shown) for shown in ("shuffled", "one"))
    moved = 0
    for i in range(20):
        clip = scenes(questions[i])
        assert clip == scenes(captions[i]) and captions[i].kind["event"] == questions[i].kind["event"]
        assert Counter(map(repr, scenes(shuffled[i]))) == Counter(map(repr, clip))
        moved += scenes(shuffled[i]) != clip
        assert isinstance(one[i].image, SceneImage) and one[i].image.scene in clip
        texts = {(source[i].question, source[i].answer) for source in (questions, shuffled, one)}
        assert len(texts) == 1
    assert moved >= 19
    times = Counter(scenes(questions[i]).index(one[i].image.scene) for i in range(20))
    assert len(times) > 4


def test_a_clip_is_a_video_whose_frames_have_digests_of_their_own():
    example = MovingSceneQuestions(events=["move"])[3]
    frames = example.image.frames
    assert isinstance(example.image, Video) and len(frames) == 8
    assert len({frame.digest for frame in frames}) == len({frame.key for frame in frames}) == 8
    assert frames[0].read().size == (224, 224)


def test_clips_of_one_look_share_frames():
    source = MovingSceneQuestions(size=300, events=["move"], looks=2)
    frames = {frame for i in range(300) for frame in source[i].image.frames}
    assert len(frames) == len({frame.digest for frame in frames}) == len({f.key for f in frames}) == 2 * 64
    own = MovingSceneQuestions(size=10, events=["move"])
    assert len({frame.digest for i in range(10) for frame in own[i].image.frames}) == 80


def test_splits_share_no_frame_and_held_out_combinations_are_only_in_the_novel_split():
    digests = []
    for split, pairs in (("train", SEEN), ("val", SEEN), ("novel", HELD_OUT)):
        source = MovingSceneCaptions(split, size=60)
        drawn = {scenes(example)[0].groups[0].pair for example in source}
        assert drawn <= set(pairs) and len(drawn) > 5
        digests.append({frame.digest for example in source for frame in example.image.frames})
    assert len(set.union(*digests)) == sum(map(len, digests))


def test_questions_are_about_what_was_asked_for():
    for ask, events, choices in (
        ("direction", ["move", "rest"], 4),
        ("stop", ["rest"], 2),
        ("behind", ["behind"], 2),
    ):
        source = MovingSceneQuestions(size=60, ask=[ask], events=events)
        assert {example.kind["ask"] for example in source} == {ask}
        assert {example.kind["event"] for example in source} == set(events)
        assert all(len(example.choices) == choices for example in source)
        assert all(example.references == (example.answer,) == example.choices[:1] for example in source)
    assert {example.kind["ask"] for example in MovingSceneQuestions(size=60)} == {
        "direction",
        "stop",
        "behind",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "test"}, "unknown split 'test'"),
        ({"size": 0}, "size must be at least 1"),
        ({"resolution": 16}, "resolution must be at least 32"),
        ({"frames": 4}, "frames must be from 6 to 12, not 4"),
        ({"events": ["fly"]}, "events must be some of move, rest, behind"),
        ({"events": []}, "events must be some of"),
        ({"shown": "two"}, "shown must be one of all, shuffled, one"),
        ({"looks": 0}, "looks must be at least 1"),
        ({"ask": ["why"]}, "ask must be some of direction, stop, behind"),
        ({"ask": ["stop"]}, "ask stop says nothing of the event 'move'; leave it out"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        MovingSceneQuestions(**arguments)


def test_captions_need_as_many_wordings():
    with pytest.raises(UserError, match="per_clip must be from 1 to 2"):
        MovingSceneCaptions(per_clip=3, wordings=2)
    with pytest.raises(UserError, match="wordings must be from 1 to 5"):
        MovingSceneCaptions(wordings=6)
    with pytest.raises(IndexError, match=r"index 5 is not in 0 … 4"):
        MovingSceneCaptions(size=5)[5]
