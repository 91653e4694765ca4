"""Frozen's published few-shot benchmarks (Tsimpoukelli et al. 2021), read from the original files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from frozenvl.data.sources.records import image_folder, laid_out, read_annotations
from frozenvl.prompt import Episode, ImageFile
from frozenvl.util.errors import UserError

_NAMING = re.compile(r"This is an? (.+?)\.?")


class FrozenBenchmark:
    """Episodes of Open-Ended and Real-Name miniImageNet, Fast-VQA, Real-Fast-VQA or Guided-VQA; one file per setting.

    Args:
        annotations: JSON list with image_1, caption_1, image_2 … (any number), question_image, question, answer
            and, optionally, question_id.
        images: folder that the image names are relative to.

    Raises:
        UserError: if the file or the folder is missing, or an episode lacks a key or is listed twice.
    """

    def __init__(self, annotations: str, images: str) -> None:
        path = Path(annotations)
        records = read_annotations(path)
        self.folder = image_folder(Path(images))
        if not isinstance(records, list) or not records:
            raise UserError(f"{path}: not one of Frozen's benchmarks (a list of episodes was expected)")
        with laid_out(path, "one of Frozen's benchmarks"):
            self.episodes = [self._episode(path, index, record) for index, record in enumerate(records)]
        ids: set[str] = set()
        for episode in self.episodes:
            if episode.id in ids:
                raise UserError(f"{path}: episode {episode.id} stands twice; remove one")
            ids.add(episode.id)

    def __len__(self) -> int:
        return len(self.episodes)

    def __getitem__(self, index: int) -> Episode:
        return self.episodes[index]

    def _episode(self, path: Path, index: int, record: dict[str, Any]) -> Episode:
        key = str(record.get("question_id", index + 1))

        def text(name: str) -> str:  # a field that must be text
            if not isinstance(record.get(name), str):
                raise UserError(f"{path}: episode {key} has no {name!r}")
            return record[name]

        matches = [re.fullmatch(r"(?:image|caption)_(\d+)", name) for name in record]
        shots = max((int(match[1]) for match in matches if match), default=0)
        support = tuple(
            (ImageFile(self.folder / text(f"image_{shot}")), text(f"caption_{shot}"))
            for shot in range(1, shots + 1)
        )
        answer = text("answer")
        return Episode(
            id=key,
            support=support,
            query=ImageFile(self.folder / text("question_image")),
            question=text("question"),
            answer=answer,
            choices=_choices([caption for _, caption in support], answer),
        )


def _choices(captions: list[str], answer: str) -> tuple[str, ...]:
    """Returns the names in captions "This is a <name>"; empty if a caption has none or the answer is not among them."""
    names = [match[1] for caption in captions if (match := _NAMING.fullmatch(caption.strip()))]
    return tuple(dict.fromkeys(names)) if len(names) == len(captions) and answer in names else ()
