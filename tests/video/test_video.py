import pickle

import numpy as np
import PIL.Image
import pytest
from clips import number_in, write_clip, write_sound

from frozenvl.prompt import BlackImage, ImageFile, Sample, StoredImage, black
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.video import RULES, Sampling, Video


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Path of a clip of 40 numbered frames at 10 frames per second."""
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", 40, g="10")


def numbers(video):
    return [number_in(frame.read()) for frame in video.frames]


def test_a_video_stands_for_its_sampled_frames(clip):
    video = Video(clip)
    assert video.name == "clip.mp4" and video.key == str(clip) and video.max_frames == 8
    assert numbers(video) == [2, 7, 12, 17, 22, 27, 32, 37]
    assert [frame.key for frame in video.frames][:2] == [f"{clip}#0.2", f"{clip}#0.7"]
    assert video.frames[0].name == "clip.mp4#0.2" and video.frames[0].origin == ImageFile(clip)


@pytest.mark.parametrize("rule", RULES)
def test_frames_are_those_of_the_rule(rule, clip):
    """The number in each frame is the index that the rule chose."""
    sampling = Sampling(rule, 5, 1.0 if rule == "fps" else None)
    for seed in (None, 7):
        video = Video(clip, sampling, seed)
        assert numbers(video) == [*video.indices]
    expected = {"uniform": [4, 12, 20, 28, 36], "endpoints": [0, 9, 19, 29, 39], "fps": [5, 15, 25, 35]}
    if rule in expected:
        assert numbers(video) == expected[rule]


def test_random_frames_are_addressed_by_a_seed(clip):
    video = Video(clip, "random")
    assert video.frames == Video(clip, "uniform").frames
    assert video.drawn(3).frames == video.drawn(3).frames != video.drawn(4).frames
    assert {drawn.indices[0] for drawn in map(video.drawn, range(60))} == {0, 1, 2, 3, 4}
    assert Video(clip).drawn(3) == Video(clip)


def test_a_frame_does_not_depend_on_the_sampling(clip):
    """Two samplings share a frame: equal, with one digest, so that a feature cache keeps it once."""
    one, other = Video(clip, Sampling("uniform", 2)), Video(clip, Sampling("uniform", 6))
    assert one.indices == (10, 30) and 10 in other.indices
    shared = other.frames[other.indices.index(10)]
    assert shared == one.frames[0] and shared.digest == one.frames[0].digest
    assert len({frame.digest for frame in other.frames}) == 6
    assert one.digest != other.digest == Video(clip, Sampling("uniform", 6)).digest


def test_a_short_clip_repeats_frames(tmp_path):
    video = Video(write_clip(tmp_path / "a.mp4", 3))
    assert numbers(video) == [0, 0, 0, 1, 1, 2, 2, 2]


def test_a_video_of_images(tmp_path):
    images = [BlackImage(size, str(size)) for size in range(1, 7)]
    assert Video(images).frames == tuple(images) and Video(images).sampled_by == "uniform, 6 frames"
    assert Video(images, Sampling(frames=2)).frames == (images[1], images[4])
    assert Video(images, "random").drawn(1).max_frames == 8
    with pytest.raises(UserError, match="a video is made of an empty list"):
        Video([])
    with pytest.raises(UserError, match="sampling fps needs a video file"):
        Video(images, Sampling("fps", fps=1.0))
    with pytest.raises(UserError, match="sampling is 'first'; it must be one of"):
        Video(images, "first")


def test_a_video_is_read_from_stored_bytes(clip):
    stored = StoredImage("row 3", "table#3", clip.read_bytes)
    video = Video(stored, Sampling(frames=2))
    assert numbers(video) == [10, 30] and video.frames[0].key == "table#3#1"
    assert video.frames[0].digest == Video(clip, Sampling(frames=2)).frames[0].digest


def test_a_gallery_shows_the_frames(clip):
    video = Video(clip, Sampling(frames=4))
    sheet, (width, height) = video.read(), video.frames[0].read().size
    assert sheet.size == (2 * width + 2, 2 * height + 2)
    assert number_in(sheet.crop((width + 2, 0, 2 * width + 2, height))) == video.indices[1]


def test_frames_are_changed_one_by_one(clip):
    sample = Sample("s", ("look: ", Video(clip, Sampling(frames=3)), " what?"))
    blind = sample.with_images(black)
    assert blind.images[0].frames == (BlackImage(),) * 3 and blind.images[0].max_frames == 3
    assert np.asarray(blind.images[0].read()).max() == 255  # the gaps of the sheet
    assert blind.images[0].sampled_by == "uniform, 3 frames" and blind.images[0].key == str(clip)
    drawn = Sample("s", (Video(clip, Sampling("random", 3)),)).drawn(5)
    assert drawn.images[0].frames == Video(clip, Sampling("random", 3), 5).frames
    assert drawn.with_images(lambda image: image).drawn(6).images[0].frames != drawn.images[0].frames


def test_an_unreadable_clip_is_named(clip, tmp_path):
    video = Video(write_sound(tmp_path / "sound.m4a"))
    sample = Sample("s", (video,)).with_images(lambda image: image)
    with pytest.raises(UnreadableImage, match=r"sound\.m4a: not a readable video \(it has no video") as error:
        _ = sample.images[0].frames
    assert error.value.image == video and sample.holds(video) and not sample.holds(Video(clip))
    readable = Sample("s", (Video(clip),))
    assert readable.holds(Video(clip).frames[3]) and not readable.holds(BlackImage())


def test_a_frame_that_cannot_be_decoded_is_named(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 20)
    frame = Video(path).frames[2]
    path.write_bytes(b"gone")
    with pytest.raises(UnreadableImage, match=rf"^{path}: not a readable video") as error:
        frame.read()
    assert error.value.image == frame


def test_videos_can_be_sent_to_other_processes(clip):
    video = Video(clip, Sampling("random", 2), 3)
    again = pickle.loads(pickle.dumps(video))
    assert again == video and again.frames == video.frames
    assert isinstance(again.frames[0].read(), PIL.Image.Image)
