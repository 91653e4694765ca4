"""Names what images and videos show: the most probable of given labels, without training for them (zero-shot).

Prints path, label and probability, with tabs between them, the most probable label first. By embedding, probabilities
are the softmax of scaled cosines, as CLIP's. By likelihood, they are the softmax of log p(text | image) - log p(text).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

from frozenvl.util.arguments import count, positive
from frozenvl.util.errors import UserError
from frozenvl.video.arguments import add_sampling_arguments, sampling_of

if TYPE_CHECKING:
    import numpy as np

    from frozenvl.prompt import Image
    from frozenvl.retrieval.load import Loaded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, help="a checkpoint, the folder of a run, or an exported folder"
    )
    parser.add_argument(
        "images", type=Path, nargs="+", metavar="IMAGE", help="image and video files, or folders of them"
    )
    labels = parser.add_mutually_exclusive_group(required=True)
    labels.add_argument("--labels", nargs="+", metavar="LABEL", help="labels to choose from")
    labels.add_argument(
        "--labels_file", type=Path, metavar="FILE", help="text file with a label in each line"
    )
    parser.add_argument(
        "--by",
        choices=("embedding", "likelihood"),
        help="how labels are compared (default: embedding if the model has an embedding head)",
    )
    parser.add_argument(
        "--template",
        action="append",
        help="wording of a label, with the field {label}; may be repeated: embeddings or likelihoods are averaged "
        "(default: 'a photo of a {label}.')",
    )
    parser.add_argument("--top", type=count, default=5, help="number of labels for each image (default: 5)")
    parser.add_argument(
        "--scale",
        type=positive,
        help="factor of cosines before the softmax (default: the trained 1 / temperature; without one CLIP's 100)",
    )
    parser.add_argument("--head", help="name of the embedding head, if the model has several")
    add_sampling_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the most probable labels of each image. Unreadable images are listed on stderr."""
    import numpy as np

    from frozenvl.model.heads import EmbeddingHead
    from frozenvl.retrieval.image_files import images_and_videos
    from frozenvl.retrieval.label_choice import TEMPLATE, softmax, worded
    from frozenvl.retrieval.load import load_model
    from frozenvl.retrieval.printing import note, note_unreadable, row
    from frozenvl.training.trained_run import run_sampling

    if args.by == "likelihood" and (args.head or args.scale):
        raise UserError("--head and --scale are for embeddings; leave them out, or use --by embedding")
    labels, templates = labels_of(args), args.template or [TEMPLATE]
    for template in templates:
        worded(template, labels[0])  # what can fail without the model fails before it is loaded
    images = images_and_videos(args.images, sampling_of(args, run_sampling(args.checkpoint)))
    loaded = load_model(args.checkpoint)
    embeds = any(isinstance(head, EmbeddingHead) for head in loaded.model.heads.values())
    by = args.by or ("embedding" if embeds else "likelihood")
    if by != args.by and by == "likelihood":
        note("the model has no embedding head, so labels are compared by likelihood")
    scored = by_embedding if by == "embedding" else by_likelihood
    reasons: list[str] = []
    for image, scores, reason in scored(loaded, images, labels, templates, args):
        if scores is None:
            reasons.append(reason)
            continue
        probabilities = softmax(scores[None])[0]
        for place in np.argsort(-probabilities, kind="stable")[: args.top]:
            row(image.key, labels[place], f"{probabilities[place]:.4f}")
    note_unreadable(reasons)
    if len(reasons) == len(images):
        raise UserError("none of the images is readable; check the paths")
    return 0


def labels_of(args: argparse.Namespace) -> list[str]:
    """Returns the labels of the options, checked."""
    from frozenvl.retrieval.text_lists import check_labels, read_texts

    if args.labels_file:
        return check_labels(read_texts(args.labels_file)[0], str(args.labels_file))
    return check_labels(args.labels, "--labels")


def by_embedding(
    loaded: Loaded,
    images: Sequence[Image],
    labels: Sequence[str],
    templates: Sequence[str],
    args: argparse.Namespace,
) -> Iterator[tuple[Image, np.ndarray | None, str]]:
    """Yields each image with the scaled cosine of each label (labels,), or with the reason why it is unreadable."""
    from frozenvl.retrieval.embedder import Embedder
    from frozenvl.retrieval.label_choice import label_vectors, trained_scale

    embedder = Embedder(loaded.model, loaded.processor, args.head)
    vectors, scale = label_vectors(embedder, labels, templates), args.scale or trained_scale(embedder)
    for image, vector, reason in embedder.images(images):
        yield image, None if vector is None else scale * (vectors @ vector), reason


def by_likelihood(
    loaded: Loaded,
    images: Sequence[Image],
    labels: Sequence[str],
    templates: Sequence[str],
    args: argparse.Namespace,
) -> Iterator[tuple[Image, np.ndarray | None, str]]:
    """Yields each image with the likelihood difference of each label (labels,), in nats: its mean over templates."""
    from frozenvl.model.prefix_cache import PrefixCache
    from frozenvl.retrieval.label_choice import worded
    from frozenvl.util.errors import UnreadableImage

    texts = [worded(template, label) for label in labels for template in templates]
    model, processor, captioning = loaded
    reading = copy(processor)
    reading.reader = PrefixCache(model, processor.reader)  # an unreadable image costs no other a second pass
    reasons: dict[Image, str] = {}
    while True:
        readable = [image for image in dict.fromkeys(images) if image not in reasons]
        pairs = [(image, text) for image in readable for text in texts]
        try:
            scores = model.match_by_likelihood(reading, pairs, captioning, end_token=True)
            break
        except UnreadableImage as error:
            if error.image is None:
                raise
            # A video's own error may name one of its frames.
            reasons[next(image for image in readable if image.holds(error.image))] = str(error)
    means = scores.view(len(readable), len(labels), len(templates)).mean(2).double().numpy()
    found = dict(zip(readable, means, strict=True))
    for image in images:
        yield image, found.get(image), reasons.get(image, "")
