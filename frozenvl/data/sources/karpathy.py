"""Karpathy's splits: `dataset_coco.json`, `dataset_flickr8k.json`, `dataset_flickr30k.json`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.captions import Captioned, Captions
from frozenvl.util.errors import UserError

Split = Literal["train", "restval", "train+restval", "val", "test"]


SPLITS = ("train", "restval", "val", "test")


class KarpathyCaptions(Captions):
    """Captions of one of Karpathy's splits: one example per image, with all its captions.

    Args:
        annotations: JSON file with `images` (filename, imgid, split, sentences; for COCO filepath, cocoid).
        images: folder of the image files; for COCO, optionally with subfolders `train2014` and `val2014`.
        split: split to read. The usual training split of COCO is "train+restval".

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, the split is empty, an image has
            no caption or a caption is empty.
    """

    layout = "Karpathy's JSON"

    def __init__(self, annotations: str, images: str, split: Split = "train") -> None:
        if split not in get_args(Split):
            raise UserError(f"unknown split {split!r}; choose one of {', '.join(get_args(Split))}")
        self._subfolders: dict[str, bool] = {}
        super().__init__(annotations, images, split=split)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return isinstance(content, dict) and has_fields(content.get("images"), "sentences", "filename")

    @classmethod
    def read(cls, file: RecordFile, split: str = "") -> Iterator[Captioned]:
        """Yields the images of a split; of all splits without one."""
        splits, images = split.split("+"), 0
        for image in file.records("images"):
            own, key = image.text("split"), image.id("imgid" if image.withheld("cocoid") else "cocoid")
            if own and own not in SPLITS:
                image.problem(f"'split' is {own!r}, not one of {', '.join(SPLITS)}")
            if split and own not in splits:
                file.notes["images of other splits"] += 1
                continue
            images += 1
            captions = tuple(sentence.text("raw") for sentence in image.records("sentences"))
            name, folder = image.file("filename"), image.text("filepath", optional=True)
            if image.ok and not captions:
                image.problem("has no caption")
            yield Captioned(key, f"{folder}/{name}" if folder else name, captions)
        if split and not images:
            file.check()
            raise UserError(f"{file.path}: no image is in split {split!r}; choose another")

    def located(self, file: str) -> str:
        """Returns the path of an image: below its `filepath` (COCO) if that subfolder exists, else in the folder."""
        subfolder, _, name = file.rpartition("/")
        if subfolder not in self._subfolders:
            self._subfolders[subfolder] = (self.folder / subfolder).is_dir()
        return file if self._subfolders[subfolder] else name
