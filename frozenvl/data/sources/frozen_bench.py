"""Frozen's published few-shot benchmarks (Tsimpoukelli et al. 2021), read from the original files."""

from __future__ import annotations

import re
from pathlib import Path

from frozenvl.data.records.folders import image_folder
from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
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
        file = RecordFile(Path(annotations), "one of Frozen's benchmarks")
        self.folder = image_folder(Path(images))
        with file.reading():
            self.episodes = [self._episode(row, number) for number, row in enumerate(file.records(), 1)]
            ids: set[str] = set()
            for episode in self.episodes:
                if episode.id in ids:
                    file.problem(f"episode {episode.id} stands twice")
                ids.add(episode.id)
        if not self.episodes:
            raise UserError(f"{annotations}: lists no episodes")

    def __len__(self) -> int:
        return len(self.episodes)

    def __getitem__(self, index: int) -> Episode:
        return self.episodes[index]

    def _episode(self, row: Record, number: int) -> Episode:
        matches = [re.fullmatch(r"(?:image|caption)_(\d+)", name) for name in row.data]
        shots = max((int(match[1]) for match in matches if match), default=0)
        support = tuple(
            (ImageFile(self.folder / row.file(f"image_{shot}")), row.text(f"caption_{shot}"))
            for shot in range(1, min(shots, len(row.data)) + 1)
        )
        answer = row.text("answer")
        return Episode(
            id=row.id("question_id") if "question_id" in row.data else str(number),
            support=support,
            query=ImageFile(self.folder / row.file("question_image")),
            question=row.text("question"),
            answer=answer,
            choices=_choices([caption for _, caption in support], answer),
        )


def _choices(captions: list[str], answer: str) -> tuple[str, ...]:
    """Returns the names in captions "This is a <name>"; empty if a caption has none or the answer is not among them."""
    names = [match[1] for caption in captions if (match := _NAMING.fullmatch(caption.strip()))]
    return tuple(dict.fromkeys(names)) if len(names) == len(captions) and answer in names else ()
