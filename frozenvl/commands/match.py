"""Judges how well texts fit an image or a video.

Prints a line for each text, with tabs between: the cosine of the embeddings (- if the model has no embedding head), the
log-odds of the matching head (- if it has none), the likelihood difference log p(text | image) - log p(text) in nats,
and the text. The difference needs no training for matching. Larger is better for all; differences of one image's texts
can be compared with each other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from frozenvl.util.errors import UserError
from frozenvl.video.arguments import add_sampling_arguments, sampling_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, help="a checkpoint, the folder of a run, or an exported folder"
    )
    parser.add_argument("image", type=Path, help="image or video file")
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="texts to judge")
    parser.add_argument("--head", help="name of the embedding head, if the model has several")
    add_sampling_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a header and a line for each text."""
    from frozenvl.model.heads import EmbeddingHead, Matching
    from frozenvl.retrieval.embedder import Embedder
    from frozenvl.retrieval.load import load_model
    from frozenvl.retrieval.printing import row
    from frozenvl.training.trained_run import run_sampling
    from frozenvl.video.files import image_or_video

    texts = [text.strip() for text in args.texts]
    if "" in texts:
        raise UserError(f"text {texts.index('') + 1} is empty; leave it out")
    image = image_or_video(args.image, sampling_of(args, run_sampling(args.checkpoint)))
    image.read()  # a bad image is an error before the model is loaded
    model, processor, captioning = load_model(args.checkpoint)
    pairs = [(image, text) for text in texts]
    has = lambda kind: any(isinstance(head, kind) for head in model.heads.values())
    cosines = odds = ["-"] * len(texts)
    if args.head or has(EmbeddingHead):
        embedder = Embedder(model, processor, args.head)
        cosines = [f"{cosine:.4f}" for cosine in embedder.texts(texts) @ embedder.image(image)]
    if has(Matching):
        odds = [f"{value:.3f}" for value in model.match(processor, pairs).tolist()]
    differences = model.match_by_likelihood(processor, pairs, captioning, end_token=True).tolist()
    row("cosine", "match", "difference", "text")
    for cosine, odd, difference, text in zip(cosines, odds, differences, texts, strict=True):
        row(cosine, odd, f"{difference:.3f}", text)
    return 0
