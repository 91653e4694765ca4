"""Finds images by text, or texts by image, with an embedding head of a trained model.

Prints rank, cosine and path (or text), with tabs between them. An index of the images is kept in the folder, in
`.frozenvl`; only new and changed images are embedded.
"""

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

    Collection: TypeAlias = Callable[[Embedder], tuple[Sequence[str], np.ndarray]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, help="a checkpoint, the folder of a run, or an exported folder"
    )
    parser.add_argument("query", nargs="?", metavar="TEXT", help="text to search by")
    parser.add_argument("--image", type=Path, help="image or video to search by, in place of a text")
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="folder of images to search, with subfolders"
    )
    parser.add_argument(
        "--texts", type=Path, metavar="FILE", help="texts to search: a text in each line, - for stdin"
    )
    parser.add_argument(
        "--index", type=Path, metavar="FILE", help="embeddings to search, written by `frozenvl embed`"
    )
    parser.add_argument("--top", type=count, default=12, help="number of results (default: 12)")
    parser.add_argument("--gallery", type=Path, help="PNG file for a gallery of the images that were found")
    parser.add_argument("--head", help="name of the embedding head, if the model has several")
    add_sampling_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a line for each result. Draws the gallery if asked."""
    from frozenvl.retrieval.embedder import Embedder
    from frozenvl.retrieval.load import load_model
    from frozenvl.retrieval.nearest import nearest
    from frozenvl.retrieval.printing import row
    from frozenvl.training.trained_run import run_sampling
    from frozenvl.video.files import image_or_video

    collection = collection_of(args)  # what can fail without the model fails before it is loaded
    sampling = sampling_of(args, run_sampling(args.checkpoint))
    image = image_or_video(args.image, sampling) if args.image else None
    if image:
        image.read()
    model, processor, _ = load_model(args.checkpoint)
    embedder = Embedder(model, processor, args.head)
    items, vectors = collection(embedder)
    query = embedder.image(image) if image else embedder.texts([args.query])[0]
    (places,), (scores,) = nearest(query[None], vectors, args.top)
    hits = [(float(score), items[place]) for place, score in zip(places, scores, strict=True)]
    for rank, (score, item) in enumerate(hits, 1):
        row(rank, f"{score:.4f}", item)
    if args.gallery:
        draw(args.gallery, args.query or f"images like {args.image.name}", hits, sampling)
    return 0


def collection_of(args: argparse.Namespace) -> Collection:
    """Checks the options and reads what is to be searched, without the model.

    Returns:
        Function from the embedder to the paths or texts and their embeddings (n, dim).

    Raises:
        UserError: unless there is one query and one readable collection.
    """
    if (args.query is None) == (args.image is None):
        raise UserError(
            'search by one text or one image: `frozenvl retrieve RUN "a dog"`, or --image photo.jpg'
        )
    if args.query is not None and not args.query.strip():
        raise UserError("the text to search by is empty; say what the image shows")
    if sum(place is not None for place in (args.images, args.texts, args.index)) != 1:
        raise UserError("name one collection to search: --images FOLDER, --texts FILE or --index FILE")
    collection, holds_images = (
        texts_in(args.texts) if args.texts else index_in(args.index) if args.index else images_in(args.images)
    )
    if args.gallery and not holds_images:
        raise UserError(
            "--gallery draws images that were found; search --images FOLDER, or an index of images"
        )
    return collection


def images_in(folder: Path) -> tuple[Collection, bool]:
    """Returns the collection of a folder's images; True: it holds images."""
    from frozenvl.retrieval.image_files import image_files

    if not folder.is_dir():
        raise UserError(f"{folder}: not a folder; --images takes the folder that holds the images")
    image_files([folder])

    def embedded(embedder: Embedder) -> tuple[Sequence[str], np.ndarray]:
        from frozenvl.retrieval.image_index import ImageIndex
        from frozenvl.retrieval.printing import note_unreadable
        from frozenvl.util.progress import progress_line

        with progress_line("embedding", "images") as progress:
            index = ImageIndex(embedder.model, folder, embedder.head, embedder.processor, progress)
        note_unreadable(list(index.unreadable.values()))
        return [str(path) for path in index.paths], index.vectors

    return embedded, True


def texts_in(file: Path) -> tuple[Collection, bool]:
    """Returns the collection of the distinct texts in a file; False: it holds no images."""
    from frozenvl.retrieval.text_lists import read_texts

    texts = list(dict.fromkeys(read_texts(file)[0]))

    def embedded(embedder: Embedder) -> tuple[Sequence[str], np.ndarray]:
        from frozenvl.util.progress import progress_line

        with progress_line("embedding", "texts", visible=len(texts) > 1000) as progress:
            return texts, embedder.texts(texts, progress)

    return embedded, False


def index_in(path: Path) -> tuple[Collection, bool]:
    """Returns the collection in a file of embeddings, and whether it holds images."""
    from frozenvl.retrieval.embedding_files import check_model, read_embeddings

    file = read_embeddings(path)

    def embedded(embedder: Embedder) -> tuple[Sequence[str], np.ndarray]:
        check_model(path, file, embedder.fingerprint)
        return file.items, file.vectors

    return embedded, file.kind == "images"


def draw(path: Path, query: str, hits: Sequence[tuple[float, str]], sampling: Sampling) -> None:
    """Draws the images and videos that were found, in order, with the query, rank and score."""
    from frozenvl.util.files import write_atomically
    from frozenvl.util.gallery import Tile, as_png, draw_gallery
    from frozenvl.video.files import image_or_video

    tiles = [
        Tile(image_or_video(Path(item), sampling).read(), [f"{rank}: {score:.4f}"], query, [Path(item).name])
        for rank, (score, item) in enumerate(hits, 1)
    ]
    write_atomically(path, as_png(draw_gallery(tiles)))
