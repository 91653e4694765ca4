"""Captions images and videos with a trained checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from frozenvl.video.arguments import add_sampling_arguments, sampling_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, or the folder of a run")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="image and video files")
    parser.add_argument(
        "--max_new_tokens", type=int, default=32, help="maximum length of a caption (default: 32)"
    )
    parser.add_argument("--gallery", type=Path, help="PNG file for a gallery of images and captions")
    add_sampling_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a line per image: path, tab, caption. Draws the gallery, with the frames of videos, if asked."""
    from frozenvl.prompt import Example
    from frozenvl.training.trained_run import load_trained, run_sampling
    from frozenvl.util.files import write_atomically
    from frozenvl.util.gallery import Tile, as_png, draw_gallery
    from frozenvl.video.files import image_or_video

    sampling = sampling_of(args, run_sampling(args.checkpoint))
    images = [image_or_video(path, sampling) for path in args.images]
    pixels = [image.read() for image in images]
    trained = load_trained(args.checkpoint)
    template = trained.captioning
    prompts = [template.prompt(Example(id=image.name, image=image, image_id=image.name)) for image in images]
    captions = trained.generate(prompts, template, args.max_new_tokens)
    for path, caption in zip(args.images, captions, strict=True):
        print(f"{path}\t{caption}")
    if args.gallery:
        tiles = [Tile(image, [caption]) for image, caption in zip(pixels, captions, strict=True)]
        write_atomically(args.gallery, as_png(draw_gallery(tiles)))
    return 0
