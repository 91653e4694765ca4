"""Conversations in LLaVA's layout: as conversations, as questions or as captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal, get_args

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.shards.record import RECORD
from frozenvl.data.sources.captions import Captioned, Captions, by_image
from frozenvl.data.sources.coco_ids import coco_id
from frozenvl.data.sources.conversations import Conversation, Conversations, recorded
from frozenvl.data.sources.dialogue import Shown, Unusable, check_choices, dialogue, usable
from frozenvl.data.sources.llava_turns import (
    MARK,
    asks_for_caption,
    converses,
    key_of,
    numbered,
    photograph_of,
    said,
    turns,
    with_image,
)
from frozenvl.data.sources.questions import Part, Question, Questions, check_part, in_part
from frozenvl.data.sources.visual_genome import read_coco_ids
from frozenvl.util.errors import UserError

Turns = Literal["first", "all"]


class LlavaConversations(Conversations):
    """Conversations in LLaVA's layout: `llava_v1_5_mix665k.json`, LLaVA-Instruct, ShareGPT4V, ShareGPT's own text.

    Each record is one example with all of its turns. An `<image>` in a human message is the place of an image; there
    may be none or several. A message of "system" in front is the system message. Texts keep their line breaks. Of
    records with the same id, the second is `<id>#2`; a record without an id has its number in the file.

    Args:
        annotations: JSON list or JSON Lines with id, image (a file name, a list of these, or missing) and
            conversations: messages (from, value) of "human" and "gpt" in turn.
        images: folder that the image names start from; not needed if all conversations are text only.
        unusable: what to do with records that cannot be used, such as those that show more images than they name:
            "refuse" the file, naming all of them, or "leave out" and count them.
        part: conversations to use: "all", those to train on ("train") or the others ("ask"), such as for validation.
            All conversations about a photograph are in the same part, in every source.
        ask_share: fraction that belongs to "ask".
        image_data: Visual Genome's `image_data.json`, which tells the photographs that are COCO's. Without it, overlaps
            between Visual Genome's and COCO's are not detected.

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, or messages do not alternate.
    """

    layout = "LLaVA's conversations JSON"
    alternatives = ("LlavaQuestions",)

    def __init__(
        self,
        annotations: str,
        images: str | None = None,
        unusable: Unusable = "refuse",
        part: Part = "all",
        ask_share: float = 0.5,
        image_data: str | None = None,
    ) -> None:
        check_choices(unusable, part, ask_share)
        options = {"part": part, "ask_share": ask_share, "image_data": image_data}
        super().__init__(annotations, images, unusable=unusable, **options)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return converses(content)

    @classmethod
    def read(
        cls,
        file: RecordFile,
        unusable: Unusable = "refuse",
        part: Part = "all",
        ask_share: float = 0.5,
        image_data: str | None = None,
    ) -> Iterator[Conversation]:
        """Yields the conversations of a file."""
        coco_ids, seen = read_coco_ids(image_data), Counter[str]()

        def conversation(number: int, row: Record) -> Conversation | None:
            key = key_of(file, row, number, seen)
            files = row.files("image")
            if row.raw(RECORD) is not None:
                return recorded(row, files)
            system, pairs = dialogue(row, "conversations", "from")
            shown = Shown(files)
            messages = [shown.marked(human.whole_text("value"), MARK) for human, _ in pairs]
            replies = tuple(model.whole_text("value") for _, model in pairs)
            if not pairs or not shown.fit(row):
                return None
            image_id = photograph_of(files[0], coco_ids) if files else ""
            whole = system.whole_text("value") if system else ""
            return Conversation(key, files, messages, replies, system=whole, photograph=image_id)

        return usable(file, unusable, conversation, part, ask_share)


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

    layout = "LLaVA's questions JSON"
    alternatives = ("LlavaConversations",)

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
        asks = has_fields(content, "conversations") and not asks_for_caption(content)
        return asks and not converses(content)

    @classmethod
    def read(
        cls, file: RecordFile, used: Turns = "first", image_data: str | None = None
    ) -> Iterator[Question]:
        """Yields the questions of a file."""
        coco_ids, seen = read_coco_ids(image_data), Counter[str]()
        for row in with_image(file):
            key, name = row.id("id"), row.file("image")
            first = numbered(file, key, seen)
            image_id = photograph_of(name, coco_ids)
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
        part: images to use: "all", those to train on ("train") or the others ("ask"), such as for validation. A
            photograph is in the same part in every source.
        ask_share: fraction of the images that belong to "ask".

    Raises:
        UserError: if the file or the folder is missing, the layout is another one, or a record has several turns.
    """

    layout = "LLaVA's captions JSON"
    alternatives = ("LlavaConversations",)

    def __init__(self, annotations: str, images: str, part: Part = "all", ask_share: float = 0.5) -> None:
        check_part(part, ask_share)
        super().__init__(annotations, images, part=part, ask_share=ask_share)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return asks_for_caption(content) and not converses(content)

    @classmethod
    def read(cls, file: RecordFile, part: Part = "all", ask_share: float = 0.5) -> Iterator[Captioned]:
        """Yields the images of a file."""
        for row in by_image(file, _captioned(file)):
            if in_part(coco_id(row.file) or row.file, part, ask_share):
                yield row


def _captioned(file: RecordFile) -> Iterator[Captioned]:
    for index, row in enumerate(with_image(file)):
        pairs = turns(row)
        if len(pairs) > 1 and not index:
            raise file.refused(f"{row.name} has {len(pairs)} turns")
        if len(pairs) > 1:
            row.problem(f"has {len(pairs)} turns, so it is no caption; LlavaConversations reads it")
        yield Captioned(row.id("id"), row.file("image"), tuple(said(model) for _, model in pairs[:1]))
