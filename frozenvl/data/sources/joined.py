"""`Joined`: the questions about one image as one conversation."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, Turn
from frozenvl.util.errors import UserError

TurnOrder = Literal["file", "random"]


class Joined(Source):
    """Questions of a VQA source, joined into one conversation for each image.

    The first message of a conversation shows the image. Each turn has the id of its question. In training, all answers
    of an image share one computation of its prefix. The id of a conversation is the `image_id` of its image; a second
    one about the same image is `<image_id>#2`. Questions without an answer are left out and counted.

    Args:
        questions: source of questions, such as VQA v2, GQA or DAQUAR.
        order: order of the turns: that of the source ("file"), or drawn at random for each image.
        seed: seed of a random order.
        max_turns: maximal number of turns. The questions of an image beyond it make further conversations.

    Raises:
        UserError: if the source has no questions with answers, or an argument is not one of those known.
    """

    def __init__(
        self, questions: Source, order: TurnOrder = "file", seed: int = 0, max_turns: int | None = None
    ) -> None:
        if order not in get_args(TurnOrder):
            raise UserError(f"unknown order {order!r}; choose one of {', '.join(get_args(TurnOrder))}")
        if max_turns is not None and max_turns < 1:
            raise UserError(f"max_turns is {max_turns}; give 1 or more")
        self.questions = questions
        self.notes.update(questions.notes)
        answered = np.flatnonzero(np.broadcast_to(questions.targets_per_example, len(questions)))
        if left_out := len(questions) - len(answered):
            self.notes["questions without an answer left out"] += left_out
        if not len(answered):
            raise UserError(
                f"{type(questions).__name__}: none of its {len(questions):,} questions has an answer; give a source "
                "of questions with answers to join"
            )
        if not questions[int(answered[0])].question:
            raise UserError(
                f"{type(questions).__name__}: its examples are no questions; only questions are joined"
            )
        known = questions.image_ids()
        ids = [known[i] if known else questions[i].image_id for i in map(int, answered)]
        number = {key: place for place, key in enumerate(dict.fromkeys(ids))}
        image_of = np.fromiter((number[key] for key in ids), np.int64, len(ids))
        within = np.random.default_rng(seed).random(len(ids)) if order == "random" else np.arange(len(ids))
        places = np.lexsort((within, image_of))
        self._turns = answered[places]
        """Indices of the questions, conversation by conversation."""
        image_of = image_of[places]
        first = np.flatnonzero(np.diff(image_of, prepend=-1))
        place_in_image = np.arange(len(ids)) - first[image_of]
        begins = place_in_image % (max_turns or len(ids)) == 0
        self._starts = np.flatnonzero(begins)
        self._part = place_in_image[begins] // (max_turns or len(ids))
        """Number of each conversation among those of its image."""
        self._images = list(number)
        self._image_of = image_of[begins]

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> Example:
        place = range(len(self))[index]
        end = self._starts[place + 1] if place + 1 < len(self) else len(self._turns)
        asked = [self.questions[int(number)] for number in self._turns[self._starts[place] : end]]
        first = asked[0]
        turns = [
            Turn(
                (first.image, example.question) if example is first else (example.question,),
                example.targets[0],
                example.id,
                example.choices,
                0 if example.choices else -1,
                references=example.references if len(example.references) > 1 else (),
            )
            for example in asked
        ]
        key, part = self._images[self._image_of[place]], int(self._part[place]) + 1
        return Example(key if part == 1 else f"{key}#{part}", first.image, first.image_id, turns=tuple(turns))

    def image_ids(self) -> list[str]:
        return [self._images[number] for number in self._image_of]
