"""Options of commands by which the frames of videos are chosen."""

from __future__ import annotations

import argparse

from frozenvl.video.sampling import RULES, Sampling


def add_sampling_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options `--frames`, `--sampling` and `--fps`."""
    options = parser.add_argument_group("videos", "by default the frames that the run was trained with")
    options.add_argument(
        "--frames", type=int, help="number of frames (with --sampling fps: the largest number)"
    )
    options.add_argument("--sampling", choices=RULES, help="rule that chooses the frames")
    options.add_argument("--fps", type=float, help="frames per second, for --sampling fps")


def sampling_of(args: argparse.Namespace, default: Sampling) -> Sampling:
    """Returns the sampling that the options describe. What they leave open is as in `default`.

    Raises:
        UserError: if they do not fit each other.
    """
    rule = args.sampling or ("fps" if args.fps is not None else default.rule)
    fps = args.fps if args.fps is not None or rule != "fps" else default.fps
    return Sampling(rule, default.frames if args.frames is None else args.frames, fps)
