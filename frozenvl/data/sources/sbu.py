"""SBU Captions: a million photographs of Flickr with their captions, published as addresses."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from frozenvl.data.records.folders import image_folder
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import MISSING, described, one_line
from frozenvl.data.sources.caption_rows import addresses
from frozenvl.data.sources.captions import Captioned, Captions, by_image
from frozenvl.util.errors import UserError
from frozenvl.util.text_files import text_lines


class SBUCaptions(Captions):
    """SBU Captions, with images that were downloaded under the last part of their addresses.

    The file is `sbu-captions-all.json` (www.cs.rice.edu/~vo9/sbucaptions), or the pair of text files
    `SBU_captioned_photo_dataset_captions.txt` and `…_urls.txt`. Images that are not in the folder, since many addresses
    are dead, and empty captions are left out, and counted.

    Args:
        annotations: JSON file with the lists image_urls and captions, or text file with a caption in each line.
        images: folder of the image files, searched recursively.
        urls: text file with the address of the image of each caption, if the captions are in a text file.

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, there are not as many captions as
            addresses, or no image is in the folder.
    """

    layout = "SBU's captions"

    def __init__(self, annotations: str, images: str, urls: str | None = None) -> None:
        folder = image_folder(Path(images))
        self._paths = {
            name: (Path(below) / name).relative_to(folder).as_posix()
            for below, _, names in os.walk(folder)
            for name in names
        }
        content: Any = MISSING
        if urls is None and Path(annotations).suffix == ".txt":
            from frozenvl.data.detect import hint

            advice = hint(
                Path(annotations), "captions in a text file have their addresses in another; give urls"
            )
            raise UserError(f"{annotations}: {advice}")
        if urls is not None:
            content = {"captions": text_lines(Path(annotations)), "image_urls": text_lines(Path(urls))}
        super().__init__(annotations, images, content=content, present=self._paths)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return isinstance(content, dict) and {"image_urls", "captions"} <= content.keys()

    @classmethod
    def read(cls, file: RecordFile, present: Container[str] | None = None) -> Iterator[Captioned]:
        """Yields the images of a file, or those of them that are present."""
        if not cls.recognises(file.content):
            raise file.refused("no lists 'image_urls' and 'captions'")
        urls, captions = file.content["image_urls"], file.content["captions"]
        if len(urls) != len(captions):
            raise UserError(
                f"{file.path}: {len(captions):,} captions, but {len(urls):,} addresses; give files of one set"
            )
        return by_image(file, _images(file, urls, captions, present))

    def located(self, file: str) -> str:
        return self._paths[file]


def _images(
    file: RecordFile, urls: list[Any], captions: list[Any], present: Container[str] | None
) -> Iterator[Captioned]:
    found = 0
    for index, (url, caption) in enumerate(zip(urls, captions, strict=True)):
        if not isinstance(url, str) or not isinstance(caption, str):
            what, value = ("image_urls", url) if not isinstance(url, str) else ("captions", caption)
            file.problem(f"{what}[{index}] is {described(value)}, not a text")
            continue
        name = PurePosixPath(urlsplit(url.strip()).path).name
        if present is not None and name not in present:
            file.notes["captions left out, whose image is not in the folder"] += 1
            continue
        found += 1
        if text := one_line(caption):
            yield Captioned(name, name, (text,))
        else:
            file.notes["empty captions left out"] += 1
    if urls and not found:
        file.check()
        raise addresses(file)
