"""Benchmarks the sampling of video frames: frozenvl, PyAV, decord2 and torchcodec in one run on one machine.

`python benchmarks/video.py` writes clips of 30 s at 30 frames per second and prints a row in Markdown for each, in
about two minutes. The sides take turns. A time is the median over rounds, a ratio to frozenvl's the median of the
rounds' ratios: of elapsed time, and in brackets of CPU time, which other programs on the machine disturb less.

- frozenvl: 8 frames by `uniform`, from the opened file to RGB pictures, the times of all frames included.
- PyAV, all: `container.decode`, every frame; the 8 frames are converted to RGB. With one thread, as frozenvl decodes,
  and with PyAV's own setting. The pictures have to be equal, bit for bit.
- decord2, torchcodec: 8 frames by index with one thread, where the package is installed (torchcodec needs FFmpeg's
  libraries, too). `differs` is the largest difference of a pixel, of 255.

A clip is textured noise that moves, and is compressed by x264 (`medium`, CRF 23) with a keyframe each so many frames.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import numpy as np
import PIL.Image

from frozenvl.prompt import ImageFile
from frozenvl.video.clip import VideoFile, times_of
from frozenvl.video.sampling import Sampling

SECONDS, RATE, FRAMES = 30, 30, 8
SIZES = {"360p": (640, 360), "720p": (1280, 720)}
KEYFRAMES = (12, 30, 60, 250)
"""Frames from one keyframe to the next: PyAV's default, one second, two seconds, x264's default."""

Side = Callable[[Path, Sequence[int]], list[np.ndarray]]
"""Function from a clip and indices of frames to RGB pictures."""


def write_clip(path: Path, size: tuple[int, int], keyframes: int) -> None:
    """Writes a clip of moving texture."""
    width, height = size
    draw = np.random.default_rng(0)
    small = PIL.Image.fromarray(draw.integers(0, 255, (height // 8, width // 4, 3), np.uint8))
    texture = np.asarray(small.resize((2 * width, height), PIL.Image.Resampling.BICUBIC))
    with av.open(str(path), "w") as container:
        options = {"crf": "23", "g": str(keyframes), "preset": "medium"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(SECONDS * RATE):
            shift = 2 * number % width
            picture = np.ascontiguousarray(texture[:, shift : shift + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def here(path: Path, indices: Sequence[int]) -> list[np.ndarray]:
    times_of.cache_clear()  # as for a clip that this process sees for the first time
    clip = VideoFile(ImageFile(path))
    times = clip.times
    chosen = Sampling(frames=FRAMES).indices(times.ticks, times.end, times.tick)
    assert chosen == list(indices)
    pictures = clip.decode(chosen)
    return [np.asarray(pictures[index]) for index in chosen]


def all_frames(path: Path, indices: Sequence[int], threads: int | None = 1) -> list[np.ndarray]:
    wanted, pictures = {*indices}, []
    with av.open(str(path)) as container:
        if threads is not None:
            container.streams.video[0].codec_context.thread_count = threads
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                pictures.append(np.asarray(frame.to_image()))
    return pictures


def all_threads(path: Path, indices: Sequence[int]) -> list[np.ndarray]:
    return all_frames(path, indices, None)


def with_decord(path: Path, indices: Sequence[int]) -> list[np.ndarray]:
    import decord

    reader = decord.VideoReader(str(path), num_threads=1)
    return list(reader.get_batch(list(indices)).asnumpy())


def with_torchcodec(path: Path, indices: Sequence[int]) -> list[np.ndarray]:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1)
    return list(decoder.get_frames_at(list(indices)).data.numpy())


SIDES: dict[str, Side] = {
    "frozenvl": here,
    "PyAV, all": all_frames,
    "PyAV, all, its threads": all_threads,
    "decord2": with_decord,
    "torchcodec": with_torchcodec,
}


def installed(path: Path, indices: Sequence[int]) -> dict[str, Side]:
    """Returns the sides that can read a clip. Says which cannot, and why."""
    found = {}
    for name, side in SIDES.items():
        try:
            side(path, indices)
            found[name] = side
        except (ImportError, RuntimeError, OSError) as error:
            print(f"{name}: left out ({str(error).strip().splitlines()[0]})", file=sys.stderr)
    return found


def measured(path: Path, indices: Sequence[int], sides: dict[str, Side], rounds: int) -> list[str]:
    """Returns the cells of a clip's row: milliseconds of each side, ratios, and differences."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    pictures: dict[str, list[np.ndarray]] = {}
    for number in range(rounds + 1):
        for name, side in sides.items():
            start = time.perf_counter(), time.process_time()
            pictures[name] = side(path, indices)
            if number:  # the first round warms up
                seconds[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    cells = []
    for name in SIDES:
        if name not in sides:
            cells.append("–")
            continue
        rounds_of = list(zip(seconds[name], seconds["frozenvl"], strict=True))
        elapsed, cpu = (median(theirs[kind] / ours[kind] for theirs, ours in rounds_of) for kind in (0, 1))
        pairs = zip(pictures[name], pictures["frozenvl"], strict=True)
        apart = max(int(np.abs(one.astype(int) - other).max()) for one, other in pairs)
        if name.startswith("PyAV"):
            assert apart == 0, f"{name}: frames differ by up to {apart}"
        middle = median(wall for wall, _ in seconds[name])
        speed = f"{1000 * middle:.0f} ms, {FRAMES / middle:.0f}/s"
        cells.append(
            speed if name == "frozenvl" else f"{speed}, {elapsed:.1f} × ({cpu:.1f} ×), differs {apart}"
        )
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument(
        "--keyframes", nargs="+", type=int, default=KEYFRAMES, help="frames between two keyframes"
    )
    args = parser.parse_args()
    count = SECONDS * RATE
    indices = Sampling(frames=FRAMES).indices(range(count), count, Fraction(1, RATE))
    print(f"| {FRAMES} frames of {SECONDS} s | " + " | ".join(SIDES) + " | load |")
    print("|---" * (2 + len(SIDES)) + "|")
    sides = None
    with tempfile.TemporaryDirectory() as folder:
        for size in args.sizes:
            for keyframes in args.keyframes:
                path = Path(folder) / f"{size}-{keyframes}.mp4"
                write_clip(path, SIZES[size], keyframes)
                sides = sides or installed(path, indices)
                name = f"{size}, keyframes {keyframes} apart, {path.stat().st_size / 1e6:.1f} MB"
                cells = measured(path, indices, sides, args.rounds)
                print("| " + " | ".join([name, *cells, f"{os.getloadavg()[0]:.1f}"]) + " |", flush=True)
                path.unlink()
    print(f"\n{os.cpu_count()} cores; av {av.__version__}")


if __name__ == "__main__":
    main()
