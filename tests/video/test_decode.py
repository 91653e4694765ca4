from pathlib import Path

import av
import numpy as np
import pytest
from clips import SIZE, every_frame, number_in, numbered, write_clip, write_sound

from frozenvl.util.errors import UnreadableImage
from frozenvl.video.decode import read_frames, read_times

CLIPS = {
    "keyframes every 5 frames": ("a.mp4", {"g": "5"}),
    "one keyframe": ("a.mp4", {"g": "250"}),
    "open groups": ("a.mp4", {"x264-params": "open-gop=1:keyint=9:min-keyint=9:scenecut=0"}),
    "no keyframe but the first": ("a.mkv", {"x264-params": "intra-refresh=1:keyint=10"}),
    "transport stream": ("a.ts", {"g": "8"}),
    "interlaced": ("a.ts", {"x264-params": "tff=1:keyint=8"}),
    "avi": ("a.avi", {"codec": "mpeg4", "bf": "2", "g": "8"}),
    "avi with reordered frames": ("a.avi", {"g": "8"}),
    "hevc": ("a.mp4", {"codec": "libx265", "x265-params": "keyint=8:log-level=none"}),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", "deadline": "realtime", "cpu-used": "8"}),
    "vp8 with hidden frames": (
        "a.webm", {"codec": "libvpx", "deadline": "good", "auto-alt-ref": "1", "lag-in-frames": "16"},
    ),
    "lossless": ("a.mkv", {"codec": "ffv1"}),
}  # fmt: skip
"""Clip → file name and options of `write_clip`."""


def decoded(path, indices, source=None):
    times = read_times(source or path, path.name)
    return read_frames(source or path, path.name, times, indices)


@pytest.mark.parametrize("clip", CLIPS)
def test_frames_are_those_that_decoding_everything_gives(clip, tmp_path):
    name, options = CLIPS[clip]
    if options.get("codec", "libx264") not in av.codecs_available:
        pytest.skip("PyAV was built without this encoder")
    path = write_clip(tmp_path / name, 40, **options)
    whole = every_frame(path)
    assert len(read_times(path, name).ticks) == len(whole) == 40
    for indices in ([0], [39], [7], [38, 3, 20], range(40)):
        found = decoded(path, indices)
        assert found.keys() == {*indices}
        for index, picture in found.items():
            assert number_in(picture) == index
            assert (np.asarray(picture) == whole[index]).all()


def test_a_clip_is_read_from_bytes(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 12)
    found = decoded(path, [5, 9], path.read_bytes())
    assert {index: number_in(picture) for index, picture in found.items()} == {5: 5, 9: 9}


def test_times_are_those_of_a_variable_rate(tmp_path):
    shown = [0, 1, 2, 30, 31, 90]
    times = read_times(write_clip(tmp_path / "a.mkv", 6, times=shown, g="2"), "a.mkv")
    assert [round(float(tick * times.tick), 3) for tick in times.ticks] == [0, 0.1, 0.2, 3, 3.1, 9]
    assert decoded(tmp_path / "a.mkv", [3])[3].size == SIZE
    assert number_in(decoded(tmp_path / "a.mkv", [3, 5])[5]) == 5


def test_only_what_leads_to_a_frame_is_decoded(tmp_path):
    """The clip has a keyframe every 10 frames. Frames before 90 are overwritten, and frame 95 can still be decoded."""
    path = write_clip(tmp_path / "a.mp4", 100, g="10", bf="0")
    whole, times = every_frame(path), read_times(path, "a.mp4")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    for packet in packets[:90]:
        data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(data)
    assert (np.asarray(read_frames(path, "a.mp4", times, [95])[95]) == whole[95]).all()
    with pytest.raises(UnreadableImage, match=r"a\.mp4: not a readable video"):
        read_frames(path, "a.mp4", times, [45])


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_clip_is_turned_upright(degrees, tmp_path):
    path = write_clip(tmp_path / "a.mp4", [np.rot90(numbered(5), -degrees // 90)] * 3, turned=degrees)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).rotation % 360 == degrees % 360
    assert number_in(decoded(path, [1])[1]) == 5


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def broken(tmp_path) -> dict[str, Path]:
    """Returns unusable files: reason in the message → file."""
    empty, text = tmp_path / "empty.mp4", tmp_path / "text.mp4"
    empty.write_bytes(b"")
    text.write_text("<html>not found</html>")
    early = write_clip(tmp_path / "early.mp4", 60)
    options = {"movflags": "faststart"}
    with av.open(str(early)) as source, av.open(str(tmp_path / "fast.mp4"), "w", options=options) as to:
        stream = to.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                to.mux(packet)
    return {
        "invalid data found": cut(early, 0.7),
        "cut off": cut(tmp_path / "fast.mp4", 0.7),
        "it has no video, only audio": write_sound(tmp_path / "sound.m4a"),
        "invalid data found when processing input": empty,
        "Invalid data found": text,
    }


def test_unusable_files_are_refused_by_one_line(tmp_path):
    for reason, path in broken(tmp_path).items():
        with pytest.raises(UnreadableImage) as refused:
            read_times(path, path.name)
        message = str(refused.value)
        assert message.startswith(f"{path.name}: not a readable video (") and "\n" not in message
        assert reason.lower() in message.lower() and message.endswith("; remove or replace it")
    with pytest.raises(UnreadableImage, match=r"missing\.mp4: no such video; check the path"):
        read_times(tmp_path / "missing.mp4", "missing.mp4")


def test_a_track_of_sound_is_not_in_the_way(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 12, sound=True)
    assert number_in(decoded(path, [7])[7]) == 7
