"""COCO captions, and whatever else is laid out like them (Flickr8k, Flickr30k, nocaps)."""

from __future__ import annotations

from pathlib import Path

from frozenvl.data.sources.source import Source
from frozenvl.errors import UserError
from frozenvl.files import read_json
from frozenvl.prompt import Example, ImageFile


class CocoCaptions(Source):
    """`captions_*.json` beside a folder of images: one example an image, with all its captions.

    Args:
        annotations: the JSON file, with `images` (id, file_name) and `annotations` (image_id, caption).
        images: the folder that holds the image files.

    Raises:
        UserError: where a file or the folder is missing, the JSON is not of that layout, an image has no
            caption or a caption is empty.
    """

    def __init__(self, annotations: str, images: str) -> None:
        path, self.folder = Path(annotations), Path(images)
        if not path.is_file():
            raise UserError(f"{path}: no such annotation file; name the data's folder with --data.root")
        records = read_json(path)
        if not self.folder.is_dir():
            raise UserError(f"{self.folder}: no such image folder; name the data's folder with --data.root")
        try:
            captions: dict[object, list[str]] = {}
            for image in records["images"]:
                if image["id"] in captions:
                    raise UserError(f"{path}: image {image['id']} stands twice among `images`; remove one")
                captions[image["id"]] = []
            for row in records["annotations"]:
                text = " ".join((row["caption"] or "").split())
                if not text:
                    raise UserError(f"{path}: empty caption (annotation {row.get('id')}); remove it")
                if row["image_id"] not in captions:
                    raise UserError(
                        f"{path}: a caption for image {row['image_id']}, which is not among `images`"
                    )
                captions[row["image_id"]].append(text)
            self.rows = [
                (str(i["id"]), str(i["file_name"]), tuple(captions[i["id"]])) for i in records["images"]
            ]
        except KeyError as error:
            raise UserError(f"{path}: not COCO captions JSON (missing {error})") from None
        except (TypeError, AttributeError) as error:
            raise UserError(f"{path}: not COCO captions JSON ({error})") from None
        if not self.rows:
            raise UserError(f"{path}: lists no images")
        bare = next((name for _, name, texts in self.rows if not texts), None)
        if bare is not None:
            raise UserError(f"{path}: image {bare} has no caption; remove it from `images`")
        self.targets_per_example = [len(texts) for _, _, texts in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        image_id, name, captions = self.rows[index]
        return Example(
            id=image_id, image=ImageFile(self.folder / name), image_id=image_id, references=captions
        )
