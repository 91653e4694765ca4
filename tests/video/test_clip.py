from pathlib import Path

import pytest
from clips import number_in, write_clip

from frozenvl.prompt import BlackImage, ImageFile
from frozenvl.util.errors import UnreadableImage
from frozenvl.video import decode
from frozenvl.video.clip import ImageClip, VideoFile


def test_all_frames_of_a_file(tmp_path):
    clip = VideoFile(ImageFile(write_clip(tmp_path / "a.mp4", 12)))
    frames = [*clip.frames(range(12))]
    assert [number_in(frame.read()) for frame in frames] == [*range(12)]
    assert len({frame.digest for frame in frames}) == len({frame.key for frame in frames}) == 12
    assert len(clip.times.ticks) == 12 and float(clip.times.end * clip.times.tick) == pytest.approx(1.2)
    assert {index: number_in(picture) for index, picture in clip.decode([4, 9]).items()} == {4: 4, 9: 9}


def test_an_index_that_is_given_twice_is_one_frame(tmp_path):
    first, again, other = VideoFile(ImageFile(write_clip(tmp_path / "a.mp4", 4))).frames([1, 1, 3])
    assert first == again != other and first.group == (1, 3)
    assert number_in(first.read()) == number_in(again.read()) == 1


def test_times_are_read_once_while_a_file_stays_the_same(tmp_path, monkeypatch):
    path, opened = write_clip(tmp_path / "a.mp4", 12), []
    read = decode.read_times
    monkeypatch.setattr(decode, "read_times", lambda *given: opened.append(given) or read(*given))
    assert VideoFile(ImageFile(path)).times is VideoFile(ImageFile(path)).times and len(opened) == 1
    write_clip(path, 5)
    assert len(VideoFile(ImageFile(path)).times.ticks) == 5 and len(opened) == 2


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableImage, match=r"a\.mp4: no such video"):
        _ = VideoFile(ImageFile(tmp_path / "a.mp4")).times


def test_images_as_a_clip():
    images = tuple(BlackImage(size, f"{size}.png") for size in (1, 2, 3))
    clip = ImageClip(images)
    assert len(clip) == 3 and [*clip.times.ticks] == [0, 1, 2] and clip.times.end == 3
    assert clip.name == "1.png" and clip.key == "1.png+3.png"
    assert [*clip.frames([2, 0])] == [images[2], images[0]]


@pytest.mark.parametrize(
    "read", [lambda clip: clip.times, VideoFile.rotation, lambda clip: clip.file.read(8)]
)
def test_a_name_with_a_null_character_is_an_unreadable_video(read):
    with pytest.raises(UnreadableImage, match=r"b\.mp4"):
        read(VideoFile(ImageFile(Path("a\0b.mp4"))))
