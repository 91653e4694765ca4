import pytest
from clips import clip_bytes, write_clip
from tars import picture

from frozenvl.prompt import ImageFile
from frozenvl.video import Sampling, Video, image_or_video
from frozenvl.video.files import is_video


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("mp4", "mpeg4"), ("avi", "mpeg4"), ("mkv", "mpeg4"), ("mpg", "mpeg2video"), ("webm", "libvpx")],
)
def test_a_video_is_recognised_by_its_content(tmp_path, suffix, codec):
    path = write_clip(tmp_path / f"a.{suffix}", 3, codec, rate=25)
    assert is_video(path) and is_video(path.rename(tmp_path / "a.jpg"))


def test_images_are_no_videos(tmp_path):
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        (tmp_path / "a.mp4").write_bytes(picture(1, (16, 16), kind))
        assert not is_video(tmp_path / "a.mp4"), kind


def test_the_suffix_decides_where_the_content_tells_nothing(tmp_path):
    assert is_video(tmp_path / "missing.MP4") and not is_video(tmp_path / "missing.jpg")
    (tmp_path / "a.webm").write_bytes(b"")
    (tmp_path / "a.txt").write_text("text")
    assert is_video(tmp_path / "a.webm") and not is_video(tmp_path / "a.txt")


def test_a_file_is_an_image_or_a_video(tmp_path):
    (tmp_path / "a").write_bytes(clip_bytes(1))
    (tmp_path / "b").write_bytes(picture(1))
    assert image_or_video(tmp_path / "a", Sampling(frames=2)) == Video(tmp_path / "a", Sampling(frames=2))
    assert image_or_video(tmp_path / "b") == ImageFile(tmp_path / "b")
