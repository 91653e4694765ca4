"""Captions images and videos with a trained checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from frozenvl.util.decoding import add_decoding_arguments, decoding_of
from frozenvl.video.arguments import add_sampling_arguments, sampling_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, help="a checkpoint, the folder of a run, or an exported folder"
    )
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="image and video files")
    parser.add_argument(
        "--shots", type=Path, metavar="FILE", help="YAML file of images with captions to put in front"
    )
    parser.add_argument("--gallery", type=Path, help="PNG file for a gallery of images and captions")
    add_decoding_arguments(parser, 32, "a caption")
    add_sampling_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a line per image: path, tab, caption. Draws the gallery, with the frames of videos, if asked."""
    from dataclasses import replace

    from frozenvl.data.shots_file import Shots, read_shots
    from frozenvl.prompt import Example
    from frozenvl.retrieval.load import load_model
    from frozenvl.training.trained_run import run_sampling
    from frozenvl.util.files import write_atomically
    from frozenvl.util.gallery import Tile, as_png, draw_gallery
    from frozenvl.video.files import image_or_video

    decoding, sampling = decoding_of(args), sampling_of(args, run_sampling(args.checkpoint))
    images = [image_or_video(path, sampling) for path in args.images]
    pixels = [image.read() for image in images]
    shots = read_shots(args.shots) if args.shots else Shots()
    model, processor, template = load_model(args.checkpoint)
    if shots.induction:
        template = replace(template, induction=shots.induction)
    prompts = [template.prompt(Example(image.name, image, image.name), shots.examples) for image in images]
    captions = model.answers(processor, prompts, template, decoding)
    for path, caption in zip(args.images, captions, strict=True):
        print(f"{path}\t{caption}")
    if args.gallery:
        tiles = [Tile(image, [caption]) for image, caption in zip(pixels, captions, strict=True)]
        write_atomically(args.gallery, as_png(draw_gallery(tiles)))
    return 0
