"""Conversations about images in LLaVA's layout, as questions or as captions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal, get_args

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.captions import Captioned, Captions, by_image
from frozenvl.data.sources.llava_turns import asks_for_caption, numbered, said, turns, with_image
from frozenvl.data.sources.questions import Part, Question, Questions
from frozenvl.data.sources.visual_genome import photograph, read_coco_ids
from frozenvl.util.errors import UserError

Turns = Literal["first", "all"]
_VISUAL_GENOME = re.compile(r"(?:.*/)?(?:VG_100K(?:_2)?|gqa/images)/(\d+)\.\w+")
"""Matches the image names of Visual Genome and GQA."""


class LlavaQuestions(Questions):
    """Conversations in LLaVA's layout as single questions: `llava_v1_5_mix665k.json`, LLaVA-Instruct, ShareGPT4V.

    A question is a message of the human without its `<image>`; the answer is the model's next message. Line breaks
    become spaces. The id is `<record's id>/<turn>`, with turns from 0. Of records with the same id, the second is
    `<id>#2/<turn>`. Records without an image are left out and counted.

    Args:
        annotations: JSON list with id, image and conversations: messages (from, value) of "human" and "gpt" in turn.
        images: folder that the image names start from.
        turns: "first" uses the first turn of each record, and counts the others. "all" asks each turn on its own,
            although later turns may depend on earlier ones.
        image_data: Visual Genome's `image_data.json`, which tells the photographs that are COCO's. Without it, overlaps
            between Visual Genome's and COCO's are not detected.
        part: photographs to use: "all", those to train on ("train") or those to ask about ("ask").
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, or messages do not alternate.
    """

    layout = "LLaVA's conversations JSON"

    def __init__(
        self,
        annotations: str,
        images: str,
        turns: Turns = "first",
        image_data: str | None = None,
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        if turns not in get_args(Turns):
            raise UserError(f"unknown turns {turns!r}; choose one of {', '.join(get_args(Turns))}")
        super().__init__(annotations, images, part, ask_share, used=turns, image_data=image_data)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "conversations") and not asks_for_caption(content)

    @classmethod
    def read(
        cls, file: RecordFile, used: Turns = "first", image_data: str | None = None
    ) -> Iterator[Question]:
        """Yields the questions of a file."""
        coco_ids, seen = read_coco_ids(image_data), Counter[str]()
        for row in with_image(file):
            key, name = row.id("id"), row.file("image")
            first = numbered(file, key, seen)
            own = _VISUAL_GENOME.fullmatch(name)
            image_id = photograph(own[1], coco_ids) if own else ""
            pairs = turns(row)
            for turn, (human, model) in enumerate(pairs if used == "all" else pairs[:1]):
                question, answer = said(human), said(model)
                yield Question(f"{first}/{turn}", name, question, (answer,), answer, {}, image_id)
            if used == "first" and len(pairs) > 1:
                file.notes["later turns of conversations left out"] += len(pairs) - 1


class LlavaCaptions(Captions):
    """Captions in LLaVA's layout: `blip_laion_cc_sbu_558k.json` and other files of one turn, such as ShareGPT4V's.

    The caption is the model's message; the human's, which asks for it in changing words, is not used. Records without
    an image are left out and counted.

    Args:
        annotations: JSON list with id, image and conversations: a message (from, value) of "human", one of "gpt".
        images: folder that the image names start from.

    Raises:
        UserError: if the file or the folder is missing, the layout is another one, or a record has several turns.
    """

    layout = "LLaVA's captions JSON"

    def __init__(self, annotations: str, images: str) -> None:
        super().__init__(annotations, images)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return asks_for_caption(content)

    @classmethod
    def read(cls, file: RecordFile) -> Iterator[Captioned]:
        """Yields the images of a file."""
        yield from by_image(file, _captioned(file))


def _captioned(file: RecordFile) -> Iterator[Captioned]:
    for index, row in enumerate(with_image(file)):
        pairs = turns(row)
        if len(pairs) > 1 and not index:
            raise file.refused(f"{row.name} has {len(pairs)} turns")
        if len(pairs) > 1:
            row.problem(f"has {len(pairs)} turns, so it is no caption; LlavaQuestions reads conversations")
        yield Captioned(row.id("id"), row.file("image"), tuple(said(model) for _, model in pairs[:1]))
