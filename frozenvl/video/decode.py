"""Decodes single frames of video files with PyAV: seeks to keyframes and decodes only from there to the frames.

The frames are those that decoding the whole file gives, bit for bit.
"""

from __future__ import annotations

import io
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.error
import PIL.Image

from frozenvl.util.errors import UnreadableImage
from frozenvl.util.imaging import MAX_PIXELS
from frozenvl.video.times import Times

SKIPS = frozenset({"h264", "mpeg1video", "mpeg2video", "mpeg4"})
"""Codecs in which a frame that no other frame refers to is marked, so that it need not be decoded."""
REORDERED = 17
"""Frames after which an earlier one cannot come any more: decoders hold back at most 16."""
TURNS = {
    90: PIL.Image.Transpose.ROTATE_90,
    180: PIL.Image.Transpose.ROTATE_180,
    270: PIL.Image.Transpose.ROTATE_270,
}
"""Degrees, counterclockwise → Pillow's operation."""


def read_times(source: Path | bytes, name: str) -> Times:
    """Returns the times of a video's frames. Reads the packets of the file, but decodes no frame if these have times.

    Args:
        source: video file, or its content.
        name: name of the clip in messages.

    Raises:
        UnreadableImage: if the file is missing, broken, cut off or has no video.
    """
    with opened(source, name) as (container, stream):
        packets = [packet for packet in container.demux(stream) if packet.size]
        shown = [packet for packet in packets if not packet.is_discard]
        if not shown:
            raise unreadable(name, "it has no frame")
        if stream.frames > len(packets):
            raise unreadable(name, f"cut off: {len(packets):,} of its {stream.frames:,} frames are there")
        tick = stream.time_base
        ticks = sorted({packet.pts for packet in shown if packet.pts is not None})
        reordered = container.format.name == "avi" and stream.codec_context.name in ("h264", "hevc")
        if len(ticks) == len(shown) and not reordered:
            gaps = sorted(later - earlier for earlier, later in pairwise(ticks))
            # Some containers give no durations; then the last frame is shown for as long as most.
            last = max(shown, key=lambda packet: packet.pts).duration or (gaps or [1])[len(gaps) // 2]
            keyframes = sorted(
                (p.pts, p.dts) for p in packets if p.is_keyframe and None not in (p.pts, p.dts)
            )
            return Times(array("q", ticks), ticks[-1] + max(1, last), tick, keyframes)
    # AVI and raw streams know no presentation times of reordered frames: these are counted at the nominal rate.
    with opened(source, name) as (container, stream):
        count = sum(1 for _ in container.decode(stream))
        if not count:
            raise unreadable(name, "it has no frame")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        return Times(range(count), count, 1 / Fraction(rate), seekable=False)


def read_frames(
    source: Path | bytes, name: str, times: Times, indices: Sequence[int]
) -> dict[int, PIL.Image.Image]:
    """Decodes frames of a video: index → upright RGB picture.

    Args:
        source: video file, or its content.
        name: name of the clip in messages.
        times: times of its frames, of `read_times`.
        indices: indices of the frames.

    Raises:
        UnreadableImage: if the file is missing or broken, or one of the frames cannot be decoded.
    """
    if not times.seekable:
        return read_counted(source, name, indices)
    index_of = {times.ticks[index]: index for index in indices}
    with opened(source, name) as (container, stream):
        found = from_keyframes(container, stream, times, sorted(index_of))
    if missing := sorted(index_of.keys() - found.keys()):
        # Packets that give no frame of their own, and streams that need several keyframes before a whole picture.
        with opened(source, name) as (container, stream):
            found |= from_start(container, stream, missing)
    if missing := sorted(index_of.keys() - found.keys()):
        raise unreadable(name, f"no frame at {float(missing[0] * times.tick):.2f} s can be decoded")
    return {index: found[tick] for tick, index in index_of.items()}


def from_keyframes(
    container: Any, stream: Any, times: Times, wanted: Sequence[int]
) -> dict[int, PIL.Image.Image]:
    """Decodes the frames at some times, in ticks, each from the last keyframe before it. Some may be missing.

    Args:
        container: opened file.
        stream: video stream of the file.
        times: times of the frames.
        wanted: times of the frames to decode, rising.
    """
    starts = [pts for pts, _ in times.keyframes]
    if not starts or wanted[0] < starts[0]:
        return {}
    parts: dict[int, list[int]] = {}
    for tick in wanted:
        parts.setdefault(bisect_right(starts, tick) - 1, []).append(tick)
    found: dict[int, PIL.Image.Image] = {}
    for number, part in parts.items():
        found |= from_keyframe(container, stream, times.keyframes[number], part)
    return found


def from_keyframe(
    container: Any, stream: Any, keyframe: tuple[int, int], wanted: Sequence[int]
) -> dict[int, PIL.Image.Image]:
    """Decodes from one keyframe on, until all wanted frames are there. Some may be missing."""
    start_pts, start_dts = keyframe
    container.seek(min(start_pts, start_dts), stream=stream)
    skips = stream.codec_context.name in SKIPS
    found: dict[int, PIL.Image.Image] = {}
    todo, later, started, after = {*wanted}, 0, False, False
    for packet in container.demux(stream):
        if packet.size and not started:
            if packet.dts is None or packet.dts > start_dts:
                return found  # the container's index led past the keyframe
            if packet.dts < start_dts:
                continue
            started = True
        if skips:
            # The second field of an interlaced frame may be the packet after it.
            needed = after or packet.pts in todo or not packet.size
            stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
            after = packet.pts in todo
        for frame in packet.decode():
            if frame.pts in todo:
                todo.remove(frame.pts)
                found[frame.pts] = upright(frame)
            later += frame.pts is not None and frame.pts > wanted[-1]
        if not todo or later > REORDERED:
            return found
    return found


def from_start(container: Any, stream: Any, wanted: Sequence[int]) -> dict[int, PIL.Image.Image]:
    """Decodes all frames up to the wanted times: the last frame at or before each time."""
    found: dict[int, PIL.Image.Image] = {}
    todo, last = list(wanted), None
    for frame in container.decode(stream):
        while todo and frame.pts is not None and frame.pts > todo[0] and last is not None:
            found[todo.pop(0)] = upright(last)
        if not todo:
            return found
        last = frame
    if last is not None:
        found |= {tick: upright(last) for tick in todo}
    return found


def read_counted(source: Path | bytes, name: str, indices: Sequence[int]) -> dict[int, PIL.Image.Image]:
    """Decodes a video from its start, and returns the frames at some indices."""
    wanted, found = {*indices}, {}
    with opened(source, name) as (container, stream):
        for number, frame in enumerate(container.decode(stream)):
            if number in wanted:
                found[number] = upright(frame)
            if len(found) == len(wanted):
                return found
    raise unreadable(name, f"it has fewer than {max(wanted) + 1:,} frames")


def read_rotation(source: Path | bytes, name: str) -> int:
    """Returns the degrees, counterclockwise, by which a video's display matrix turns its frames; 0 without one.

    Raises:
        UnreadableImage: if no frame can be decoded.
    """
    with opened(source, name) as (container, stream):
        frame = next(container.decode(stream), None)
        if frame is None:
            raise unreadable(name, "it has no frame")
        return round(frame.rotation) % 360


def upright(frame: Any) -> PIL.Image.Image:
    """Returns a decoded frame as an RGB picture, turned as its display matrix says."""
    picture = frame.to_image()
    turn = TURNS.get(round(frame.rotation / 90) * 90 % 360)
    return picture if turn is None else picture.transpose(turn)


@contextmanager
def opened(source: Path | bytes, name: str) -> Iterator[tuple[Any, Any]]:
    """Opens a video: (container, video stream). Errors of the decoder become one line.

    Raises:
        UnreadableImage: if the file is missing or broken, or has no video.
    """
    try:
        with av.open(str(source) if isinstance(source, Path) else io.BytesIO(source)) as container:
            attached = av.stream.Disposition.attached_pic
            streams = [each for each in container.streams.video if not each.disposition & attached]
            if not streams:
                kinds = sorted({each.type for each in container.streams})
                raise unreadable(name, f"it has no video, only {' and '.join(kinds) or 'an empty container'}")
            stream = streams[0]
            context = stream.codec_context
            if context.width * context.height > MAX_PIXELS:
                raise unreadable(name, f"more than {MAX_PIXELS // 10**6} megapixels")
            # Clips are decoded side by side, by data loader workers or threads.
            context.thread_count = 1
            yield container, stream
    except UnreadableImage:
        raise
    except FileNotFoundError:
        raise UnreadableImage(
            f"{name}: no such video; check the path, or the folder of the data set's clips"
        ) from None
    except (av.error.FFmpegError, OSError, ValueError, EOFError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        raise unreadable(name, reason[0].lower() + reason[1:]) from None


def unreadable(name: str, reason: str) -> UnreadableImage:
    """Returns the error for a clip that cannot be used."""
    return UnreadableImage(f"{name}: not a readable video ({reason}); remove or replace it")
