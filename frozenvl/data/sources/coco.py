"""COCO captions, and other data sets in the same layout (Flickr8k, Flickr30k, nocaps)."""

from __future__ import annotations

from pathlib import Path

from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.data.sources.packed import Packed
from frozenvl.data.sources.records import image_folder, laid_out, one_line, read_annotations
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, ImageFile
from frozenvl.util.errors import UserError


class CocoCaptions(Source):
    """Captions in COCO's layout (`captions_*.json` and an image folder): one example per image, with all its captions.

    Args:
        annotations: JSON file with `images` (id, file_name) and `annotations` (image_id, caption).
        images: folder of the image files.

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, an image has no caption or a
            caption is empty.
    """

    def __init__(self, annotations: str, images: str) -> None:
        path = Path(annotations)
        records = read_annotations(path)
        self.folder = image_folder(Path(images))
        with laid_out(path, "COCO captions JSON"):
            captions: dict[object, list[str]] = {}
            for image in records["images"]:
                if image["id"] in captions:
                    raise UserError(f"{path}: image {image['id']} stands twice among `images`; remove one")
                captions[image["id"]] = []
            for row in records["annotations"]:
                text = one_line(row["caption"])
                if not text:
                    raise UserError(f"{path}: empty caption (annotation {row.get('id')}); remove it")
                if row["image_id"] not in captions:
                    raise UserError(
                        f"{path}: a caption for image {row['image_id']}, which is not among `images`"
                    )
                captions[row["image_id"]].append(text)
            self.rows = Packed(
                (str(i["id"]), str(i["file_name"]), tuple(captions[i["id"]])) for i in records["images"]
            )
            counts = [len(captions[i["id"]]) for i in records["images"]]
        if not counts:
            raise UserError(f"{path}: lists no images")
        if 0 in counts:
            bare = self.rows[counts.index(0)][1]
            raise UserError(f"{path}: image {bare} has no caption; remove it from `images`")
        self.targets_per_example = counts

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        key, name, captions = self.rows[index]
        return Example(
            id=key,
            image=ImageFile(self.folder / name),
            image_id=photograph_id(self.folder, name),
            references=captions,
        )

    def image_ids(self) -> list[str]:
        return [photograph_id(self.folder, name) for _, name, _ in self.rows]
