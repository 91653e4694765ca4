"""Karpathy's splits: `dataset_coco.json`, `dataset_flickr8k.json`, `dataset_flickr30k.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.data.sources.packed import Packed
from frozenvl.data.sources.records import image_folder, laid_out, one_line, read_annotations
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, ImageFile
from frozenvl.util.errors import UserError

Split = Literal["train", "restval", "train+restval", "val", "test"]


class KarpathyCaptions(Source):
    """Captions of one of Karpathy's splits: one example per image, with all its captions.

    Args:
        annotations: JSON file with `images` (filename, imgid, split, sentences; for COCO filepath, cocoid).
        images: folder of the image files; for COCO, optionally with subfolders `train2014` and `val2014`.
        split: split to read. The usual training split of COCO is "train+restval".

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, the split is empty, an image has
            no caption or a caption is empty.
    """

    def __init__(self, annotations: str, images: str, split: Split = "train") -> None:
        if split not in get_args(Split):
            raise UserError(f"unknown split {split!r}; choose one of {', '.join(get_args(Split))}")
        path = Path(annotations)
        records = read_annotations(path)
        self.folder = image_folder(Path(images))
        splits, counts, ids = split.split("+"), [], set()
        with laid_out(path, "one of Karpathy's splits"):
            rows = []
            for image in records["images"]:
                if image["split"] not in splits:
                    continue
                key = str(image["cocoid"] if "cocoid" in image else image["imgid"])
                captions = tuple(one_line(sentence["raw"]) for sentence in image["sentences"])
                if key in ids:
                    raise UserError(f"{path}: image {key} stands twice; remove one")
                if not captions or not all(captions):
                    problem = "an empty caption" if captions else "no caption"
                    raise UserError(f"{path}: image {image['filename']} has {problem}; remove it")
                ids.add(key)
                rows.append((key, self._file(image), captions))
                counts.append(len(captions))
        if not rows:
            raise UserError(f"{path}: no image is in split {split!r}; choose another")
        self.rows, self.targets_per_example = Packed(rows), counts

    def _file(self, image: dict[str, Any]) -> str:
        """Returns an image's path: below its `filepath` (COCO) if that subfolder exists, else in the folder itself."""
        subfolder = image.get("filepath")
        inside = subfolder and (self.folder / subfolder).is_dir()
        return f"{subfolder}/{image['filename']}" if inside else str(image["filename"])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        key, file, captions = self.rows[index]
        return Example(
            id=key,
            image=ImageFile(self.folder / file),
            image_id=photograph_id(self.folder, file),
            references=captions,
        )

    def image_ids(self) -> list[str]:
        return [photograph_id(self.folder, file) for _, file, _ in self.rows]
