"""Converts any source to a data set in a public layout, which gives the same examples when it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from frozenvl.data.shards.contents import in_order
from frozenvl.data.shards.pack import encoded_image, holds_videos, pack
from frozenvl.data.shards.record import check_one_image
from frozenvl.data.sources.source import Source
from frozenvl.data.writers.coco import CocoWriter
from frozenvl.data.writers.image_files import ImageFiles, safe_name
from frozenvl.data.writers.llava import LlavaWriter
from frozenvl.data.writers.parquet import ParquetWriter
from frozenvl.data.writers.public import public_id
from frozenvl.data.writers.table import TableWriter
from frozenvl.data.writers.writer import Writer
from frozenvl.prompt import Example, Image
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.whole_folder import whole_folder

Layout = Literal["coco", "table", "webdataset", "parquet", "llava"]
WRITERS: dict[str, type[Writer]] = {
    "coco": CocoWriter,
    "table": TableWriter,
    "parquet": ParquetWriter,
    "llava": LlavaWriter,
}


@dataclass(frozen=True)
class Converted:
    """Result of a conversion."""

    examples: int
    """Number of examples written."""
    left_out: list[str]
    """Lines with the number of each example whose image is unreadable, and the reason."""
    reader: list[str]
    """Source that reads the result, with its arguments."""


def convert(
    source: Source,
    folder: Path,
    layout: Layout,
    skip_bad: bool = False,
    link: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Converted:
    """Writes a source into a folder. Image files are copied byte by byte, other images are written as PNG.

    Reading the result gives equal examples. What the layout has no field for, such as questions and labels, is in one
    additional field or column, `frozenvl`. An `image_id` that is the place of an image becomes the new place.

    The folder appears when it is complete. (For tars, an interrupted conversion is resumed, as `pack` does.)

    Args:
        source: source to convert.
        folder: target folder: new or empty.
        layout: "coco" (`captions.json` and `images/`), "table" (`captions.csv` and `images/`), "webdataset" (tars),
            "parquet" (files with images, as on the Hugging Face hub) or "llava" (`conversations.json` and `images/`).
        skip_bad: true to leave out and list examples whose image is unreadable.
        link: true to hard-link image files instead of copying them, where the file system can.
        report: progress callback, called with the numbers (done, total) of examples.

    Raises:
        UnreadableImage: if an image is unreadable and `skip_bad` is false.
        UserError: if the folder holds something else, the source is empty, two examples have the same id, or one shows
            several images.
        RunError: if the folder cannot be written.
    """
    if layout not in get_args(Layout):
        raise UserError(f"unknown format {layout!r}; choose one of {', '.join(get_args(Layout))}")
    if link and not (layout in WRITERS and WRITERS[layout].copies_images):
        raise UserError(
            f"{layout} holds the images in its own files, so there is nothing to link; leave out --link"
        )
    videos = holds_videos(source)
    if videos and layout != "webdataset":
        raise UserError(f"{layout} holds images, and these are videos; choose webdataset")
    if layout == "webdataset":
        packed = pack(source, folder, skip_bad=skip_bad, report=report)
        written = packed.examples - len(packed.left_out)
        return Converted(
            written, packed.left_out, ["VideoShards" if videos else "Shards", "--shards", f"{folder}"]
        )
    if not len(source):
        raise UserError(f"{type(source).__name__}: is empty; there is nothing to convert")
    with whole_folder(folder) as made:
        count, left_out = _write(source, made, WRITERS[layout], skip_bad, link, report)
    return Converted(count, left_out, WRITERS[layout].reader(folder))


def _write(
    source: Source,
    folder: Path,
    kind: type[Writer],
    skip_bad: bool,
    link: bool,
    report: Callable[[int, int], None],
) -> tuple[int, list[str]]:
    """Writes a source into an empty folder; returns the number of examples, and lines about those left out."""
    writer: Writer | None = None
    left_out: list[str] = []
    ids: dict[str, int] = {}
    readers: dict[str, int] | None = {} if kind.copies_images else None
    read = partial(_read, source, skip_bad, readers, kind.several_images)
    for number, item in enumerate(in_order(read, range(len(source)))):
        report(number, len(source))
        if isinstance(item, str):
            left_out.append(item)
            continue
        key = public_id(item.example, number)
        if key in ids:
            raise UserError(f"examples {ids[key]} and {number} have the same id {key!r}; ids must differ")
        if writer is None:
            writer = kind(folder, link, item.example)
        try:
            shows = item.example.images or not kind.several_images  # other layouts need an image in any case
            file = _file(writer.images, item, number) if shows else ""
            if writer.images:
                _write_others(writer.images, item.example.images[1:], number)
        except UnreadableImage as error:
            left_out.append(_refused(error, skip_bad, number))
            continue
        ids[key] = number
        writer.add(number, key, item.example, file, item.data)
    if writer is None or not ids:
        raise UnreadableImage(f"no image can be read; the first: {left_out[0]}")
    writer.finish()
    report(len(source), len(source))
    return len(ids), left_out


class _Item(NamedTuple):
    """An example with its encoded image."""

    example: Example
    suffix: str = ""
    data: bytes = b""
    """Encoded bytes; empty if another example of the same image has them."""


def _read(
    source: Source, skip_bad: bool, readers: dict[str, int] | None, several: bool, number: int
) -> _Item | str:
    """Reads an example and its image; returns a line if it is unreadable.

    Args:
        source: source to read.
        skip_bad: false to raise if an image is unreadable.
        readers: image → number of the example that reads it; None to read the image of every example.
        several: whether an example may show several images, or none.
        number: number of the example.
    """
    try:
        example = source[number]  # an invalid row raises UnreadableImage too
        if not several:
            check_one_image(example)
        elif not example.images:
            return _Item(example)
        if readers is not None and readers.setdefault(example.image.key, number) != number:
            return _Item(example)
        return _Item(example, *encoded_image(example.image))
    except UnreadableImage as error:
        return _refused(error, skip_bad, number)


def _refused(error: UnreadableImage, skip_bad: bool, number: int) -> str:
    if not skip_bad:
        raise UnreadableImage(f"{error} (or leave such out with --skip-bad)") from None
    return f"{number}: {error}"


def _file(images: ImageFiles | None, item: _Item, number: int) -> str:
    """Returns the file name of an example's image, which is written if it is a new one."""
    image = item.example.image
    if images is None:
        return safe_name(image, number, item.suffix)
    if name := images.name(image):
        return name
    # Another example was to read the image, but it comes later or could not.
    suffix, data = (item.suffix, item.data) if item.suffix else encoded_image(image)
    return images.write(image, number, suffix, data)


def _write_others(images: ImageFiles, others: Sequence[Image], number: int) -> None:
    """Writes the images of an example behind its first that are new ones."""
    for image in others:
        if not images.name(image):
            images.write(image, number, *encoded_image(image))
