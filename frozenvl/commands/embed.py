"""Writes the embeddings of images, videos or texts to a file, with an embedding head of a trained model."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from frozenvl.util.arguments import count
from frozenvl.util.errors import UserError
from frozenvl.video.arguments import add_sampling_arguments, sampling_of

if TYPE_CHECKING:
    import numpy as np

    from frozenvl.retrieval.embedder import Embedder
    from frozenvl.video.sampling import Sampling

    Inputs: TypeAlias = Callable[[Embedder], tuple[Sequence[str], np.ndarray]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, help="a checkpoint, the folder of a run, or an exported folder"
    )
    parser.add_argument(
        "kind", choices=("images", "texts"), help="what is embedded; a video is one of the images"
    )
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="images: image and video files, or folders with their subfolders; texts: a file with a text in each "
        "line, - for stdin",
    )
    parser.add_argument("--out", type=Path, required=True, help="output file, .npz or .parquet")
    parser.add_argument("--head", help="name of the embedding head, if the model has several")
    parser.add_argument("--batch_size", type=count, default=64, help="inputs per batch (default: 64)")
    add_sampling_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the file. Unreadable images are listed on stderr."""
    from frozenvl.retrieval.embedder import Embedder
    from frozenvl.retrieval.embedding_files import EmbeddingFile, check_output, write_embeddings
    from frozenvl.retrieval.load import load_model
    from frozenvl.training.trained_run import run_sampling

    check_output(args.out)  # what can fail without the model fails before it is loaded
    sampling = sampling_of(args, run_sampling(args.checkpoint))
    embedded = texts_of(args.paths) if args.kind == "texts" else images_of(args.paths, sampling)
    model, processor, _ = load_model(args.checkpoint)
    embedder = Embedder(model, processor, args.head, args.batch_size)
    items, vectors = embedded(embedder)
    write_embeddings(args.out, EmbeddingFile(args.kind, items, vectors, embedder.fingerprint))
    print(f"{args.out}: {len(items)} {args.kind}, {embedder.dim} numbers each, model {embedder.fingerprint}")
    return 0


def texts_of(paths: Sequence[Path]) -> Inputs:
    """Reads text files; returns the function that embeds their texts."""
    from frozenvl.retrieval.printing import note
    from frozenvl.retrieval.text_lists import read_texts

    texts: list[str] = []
    for path in paths:
        read, empty = read_texts(path)
        texts += read
        if empty:
            note(f"{path}: {empty} empty line{'s' if empty > 1 else ''} left out")

    def embedded(embedder: Embedder) -> tuple[Sequence[str], np.ndarray]:
        from frozenvl.util.progress import progress_line

        with progress_line("embedding", "texts", total=len(texts)) as progress:
            return texts, embedder.texts(texts, progress)

    return embedded


def images_of(paths: Sequence[Path], sampling: Sampling) -> Inputs:
    """Lists image and video files; returns the function that embeds them and lists unreadable ones on stderr."""
    from frozenvl.retrieval.image_files import images_and_videos

    images = images_and_videos(paths, sampling)

    def embedded(embedder: Embedder) -> tuple[Sequence[str], np.ndarray]:
        import numpy as np

        from frozenvl.retrieval.printing import note_unreadable
        from frozenvl.util.progress import progress_line

        names, vectors, reasons = list[str](), list[np.ndarray](), list[str]()
        with progress_line("embedding", "images", total=len(images)) as progress:
            for done, (image, vector, reason) in enumerate(embedder.images(images), 1):
                if vector is None:
                    reasons.append(reason)
                else:
                    names.append(image.key)
                    vectors.append(vector)
                progress(done, len(images))
        note_unreadable(reasons)
        if not names:
            raise UserError("none of the images is readable; check the paths")
        return names, np.stack(vectors)

    return embedded
