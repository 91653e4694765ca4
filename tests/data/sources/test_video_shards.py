import pytest
from clips import clip_bytes, number_in
from tars import folder_of_shards, write_tar

from frozenvl.data.check import check
from frozenvl.data.detect import identify
from frozenvl.data.sources.shards import Shards, TarImage
from frozenvl.data.sources.video_shards import VideoShards
from frozenvl.util.errors import UnreadableImage, UserError

pytestmark = pytest.mark.usefixtures("cache")


def tar(folder):
    members = [
        ("000.mp4", clip_bytes(7, 8)),
        ("000.txt", "a man runs"),
        ("001.mp4", b"no clip"),
        ("001.txt", "broken"),
        ("002.txt", "no clip at all"),
        ("003.webm", clip_bytes(50, 8)),
        ("003.json", {"caption": ["one", "two"]}),
    ]
    return write_tar(folder / "0.tar", members)


def test_a_sample_is_a_video_of_its_frames(tmp_path):
    source = VideoShards(str(tar(tmp_path)), sampling="endpoints", frames=2)
    assert [example.references for example in source] == [
        ("a man runs",), ("broken",), ("no clip at all",), ("one", "two"),
    ]  # fmt: skip
    first, last = source[0].image, source[3].image
    assert [number_in(frame.read()) for frame in (*first.frames, *last.frames)] == [7, 14, 50, 57]
    assert source.max_frames == 2 and isinstance(first.origin, TarImage) and first.name == "0/000.mp4"
    assert first.sampled_by == "endpoints, 2 frames" and len({frame.key for frame in first.frames}) == 2


def test_samples_without_a_clip_are_listed(tmp_path):
    source = VideoShards(str(tar(tmp_path)))
    report = check(source)
    assert report.usable == 2 and [line.split(": ")[0] for line in report.found["unreadable"]] == [
        "0/001.mp4",
        "0/002",
    ]
    for index, reason in ((1, "not a readable video"), (2, "has no image member")):
        with pytest.raises(UnreadableImage, match=reason) as error:
            _ = source[index].image.frames
        assert error.value.image == source[index].image


def test_tars_of_videos_are_told_from_those_of_images(tmp_path):
    path = tar(tmp_path)
    assert identify(path) == identify(tmp_path) == [VideoShards]
    folder_of_shards(tmp_path / "images", [2])
    assert identify(tmp_path / "images") == [Shards]
    with pytest.raises(UserError, match="frames is 0; sampling uniform takes at least 1"):
        VideoShards(str(path), frames=0)
