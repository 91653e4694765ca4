"""Draws pictures of texts with a trained drawing head, or a photograph in the style of a picture by AdaIN."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from frozenvl.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, help="a checkpoint, the folder of a run, or an exported folder"
    )
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="what is drawn, such as 'a red circle'")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("drawn.png"),
        help="PNG file: the picture, or a sheet of pictures of several texts (default: drawn.png)",
    )
    parser.add_argument("--head", help="name of the drawing head, if the model has several")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of pictures that are drawn at random (default: 0)"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        help="temperature of such pictures; 0 draws the most likely one (default: 1)",
    )
    parser.add_argument(
        "--style", type=Path, metavar="IMAGE", help="image whose style is taken, in place of texts"
    )
    parser.add_argument("--content", type=Path, metavar="IMAGE", help="image that is drawn in that style")
    parser.add_argument(
        "--strength", type=float, default=1.0, help="share of the style, from 0 to 1 (default: 1)"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the pictures."""
    if args.output.suffix.lower() != ".png":
        raise UserError(f"{args.output}: pictures are written as PNG; give a name that ends in .png")
    if (args.style is None) != (args.content is None):
        raise UserError(
            "--style and --content go together: the image whose style is taken, and the one that is drawn"
        )
    if bool(args.texts) == (args.style is not None):
        raise UserError("give either texts to draw, or --style and --content")
    return draw_style(args) if args.style is not None else draw_texts(args)


def draw_texts(args: argparse.Namespace) -> int:
    """Draws each text; several are put on a sheet."""
    if not 0 <= args.temperature < math.inf:
        raise UserError(f"--temperature is {args.temperature}; give a finite number from 0")
    texts = [text.strip() for text in args.texts]
    if not all(texts):
        raise UserError("a text is empty; say what to draw")

    from PIL import Image

    from frozenvl.retrieval.load import load_model
    from frozenvl.util.files import write_atomically
    from frozenvl.util.gallery import Tile, as_png, draw_gallery

    model, processor, _ = load_model(args.checkpoint)
    drawn = model.draw(processor, texts, args.seed, args.temperature, args.head)
    pictures = [Image.fromarray(picture) for picture in drawn]
    if len(pictures) == 1:
        sheet = pictures[0]
    else:
        sheet = draw_gallery([Tile(picture, [text]) for picture, text in zip(pictures, texts, strict=True)])
    write_atomically(args.output, as_png(sheet))
    print(
        f"{args.output}: {len(pictures)} picture{'s' if len(pictures) > 1 else ''} of {drawn.shape[1]} pixels"
    )
    return 0


def draw_style(args: argparse.Namespace) -> int:
    """Draws the content in the style, and prints the losses."""
    from PIL import Image

    from frozenvl.model.style import styled
    from frozenvl.prompt import ImageFile
    from frozenvl.retrieval.load import load_model
    from frozenvl.util.files import write_atomically
    from frozenvl.util.gallery import as_png

    images = [ImageFile(args.content), ImageFile(args.style)]
    for image in images:
        image.read()  # what can fail without the model fails before it is loaded
    model, _, _ = load_model(args.checkpoint)
    vision = model.autoencoder
    content, style = vision.reader(model.scaled_decoding)(images).to(model.device).split(1)
    with model.autocast(content):
        made = styled(vision, content, style, args.strength)
    (picture,) = model.pictures(made.features)
    write_atomically(args.output, as_png(Image.fromarray(picture)))
    print(
        f"{args.output}: strength {args.strength:g}; content loss {made.content_loss:.4g}; style loss "
        f"{made.style_loss:.4g}, of the content alone {made.style_loss_before:.4g}"
    )
    return 0
