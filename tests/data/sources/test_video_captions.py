"""What all sources of captioned clips have in common, tried on `VideoTable`."""

from __future__ import annotations

import pytest
from clips import clip_bytes, number_in, videos, write_clip, write_sound

from frozenvl.data.check import check
from frozenvl.data.sources.video_table import VideoTable
from frozenvl.prompt import ImageFile
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.video import Sampling


def table(folder, names, **options):
    (folder / "clips.csv").write_text("clip,text\n" + "".join(f"{name},a man {name}\n" for name in names))
    (folder / "videos").mkdir(exist_ok=True)
    return VideoTable(str(folder / "clips.csv"), str(folder / "videos"), "{clip}", "text", **options)


def test_examples_have_videos_with_the_frames_of_the_sampling(tmp_path):
    videos(tmp_path, "a.mp4", "b.mp4")
    source = table(tmp_path, ["a.mp4", "b.mp4"], sampling="endpoints", frames=2)
    assert [source[1].image.sampling, source[1].image.sampled_by] == [
        Sampling("endpoints", 2),
        "endpoints, 2 frames",
    ]
    assert [number_in(frame.read()) for frame in source[1].image.frames] == [200, 202]
    assert source[1].image.origin == ImageFile(tmp_path / "videos" / "b.mp4")
    assert source.image_ids() == [example.image_id for example in source]
    by_rate = table(tmp_path, ["a.mp4"], sampling="fps", frames=9, fps=10)
    assert by_rate[0].image.max_frames == by_rate.max_frames == 9 and source.max_frames == 2


def test_a_clip_is_found_without_its_suffix(tmp_path):
    videos(tmp_path, "a.avi", "b.MKV", "c.txt")
    paths = [example.image.key for example in table(tmp_path, ["a", "b", "c", "d.webm"])]
    assert [path.rpartition("/")[2] for path in paths] == ["a.avi", "b.MKV", "c.mp4", "d.webm"]


def test_wrong_arguments_are_refused(tmp_path):
    with pytest.raises(UserError, match="sampling is 'middle'; it must be one of"):
        table(tmp_path, ["a"], sampling="middle")
    with pytest.raises(UserError, match="fps is 2, but sampling is uniform; leave it out"):
        table(tmp_path, ["a"], fps=2)
    (tmp_path / "clips.csv").write_text("clip,text\na,a man\n")
    with pytest.raises(UserError, match="nowhere: no such video folder"):
        VideoTable(str(tmp_path / "clips.csv"), str(tmp_path / "nowhere"), "{clip}", "text")


def test_unusual_clips_are_listed_by_a_check(tmp_path):
    """Broken, sound-only and missing clips are unreadable; short, turned and variable-rate ones are read."""
    videos(tmp_path, "good.mp4", "short.mp4")
    folder = tmp_path / "videos"
    write_clip(folder / "good.mp4", 20, "mpeg4")
    (folder / "broken.mp4").write_bytes(clip_bytes(1)[:-300])
    write_sound(folder / "sound.m4a").rename(folder / "sound.mp4")
    write_clip(folder / "turned.mp4", 20, "mpeg4", turned=90)
    write_clip(folder / "slow.mkv", 20, "mpeg4", times=[*range(19), 90])
    names = ["good.mp4", "short.mp4", "broken.mp4", "sound.mp4", "missing.mp4", "turned.mp4", "slow.mkv"]
    source = table(tmp_path, names)
    report = check(source)
    assert (report.examples, report.images, report.usable, report.bad) == (7, 7, 4, 3)
    assert [line.split(": ")[0] for line in report.found["unreadable"]] == [
        str(folder / name) for name in ("broken.mp4", "sound.mp4", "missing.mp4")
    ]
    assert "it has no video, only audio" in report.found["unreadable"][1]
    assert report.found["short clip"] == [
        "short.mp4: 8 frames are sampled, of 3 different ones",
        "slow.mkv: 8 frames are sampled, of 3 different ones",
    ]
    assert report.found["turned by its display matrix"] == ["turned.mp4: 90 degrees"]
    (slow,) = report.found["variable frame rate"]
    assert slow == "slow.mkv: from one frame to the next up to 7.20 s"
    with pytest.raises(UnreadableImage):
        _ = source[2].image.frames
