"""Base class of the dialogue benchmarks: the rounds of conversations, with the turns before them or alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, get_args

from frozenvl.data.stream import Task
from frozenvl.evaluation.asks import Ask
from frozenvl.evaluation.benchmark import Setting
from frozenvl.evaluation.benchmarks.sourced import own_name
from frozenvl.evaluation.benchmarks.worded import Worded
from frozenvl.evaluation.query import Answer, Query
from frozenvl.prompt import NO_IMAGE, Example, Image, Turn
from frozenvl.util.errors import UserError
from frozenvl.util.lazy import LazySequence
from frozenvl.wording import VQA, Template

History = Literal["gold", "own", "none"]
"""Turns in front of a round: with the true replies, with the model's own replies, or no turns."""
SETTINGS = {"gold": "gold-history", "own": "own-history", "none": "no-history"}
"""History → name of its setting."""


class Dialogue(Worded):
    """Asks for the reply of each round of each conversation. Scores are also given by round.

    Args:
        ask: request type.
        task: name in `data.val` of the task to evaluate, by default "dialogue". Give either a task or a source.
        source: conversations. A question without turns is a conversation of one round.
        template: wording of the turns; by default the task's.
        history: turns in front of a round, each a setting of its own: "gold" (the true replies), "own" (the model's
            own replies) or "none" (the round alone, after the images shown so far).
        known: values of `history` that the benchmark can ask.
    """

    words = ()

    def __init__(
        self,
        ask: Ask,
        task: str | None,
        source: Any,
        template: Template | None,
        history: Sequence[History],
        known: Sequence[History] = get_args(History),
    ) -> None:
        task = task or ("dialogue" if source is None else None)
        super().__init__(ask, task, source, template or (VQA if source is not None else None))
        self.name = own_name(task, "dialogue", self.protocol)
        wrong = [one for one in history if one not in known]
        if wrong or not history or len({*history}) < len(history):
            reason = (
                f"unknown history {wrong[0]!r}" if wrong else "history needs at least one value, each once"
            )
            raise UserError(f"{type(self).__name__}: {reason}; choose among {', '.join(known)}")
        self.history = history

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:
        super().bind(train, val)
        self.__dict__.pop("rounds", None)

    @cached_property
    def rounds(self) -> list[list[str]]:
        """Ids of the rounds of each example."""
        examples = (self.source[index] for index in range(len(self.source)))
        return [
            [turn.id or f"{example.id}/{number}" for number, turn in enumerate(turns_of(example), start=1)]
            for example in examples
        ]

    def settings(self) -> list[Setting]:
        return [Setting(SETTINGS[history], {"history": history}, self.recorded()) for history in self.history]

    def recorded(self) -> dict[str, Any]:
        """Returns values of all settings that scores depend on."""
        return {}

    def queries(self, setting: Setting) -> Sequence[Query]:
        """Returns a query for each round; with its own history, for the first round of each conversation."""
        own = setting.facts["history"] == "own"
        places = [
            (index, place) for index, ids in enumerate(self.rounds) for place in range(1 if own else len(ids))
        ]
        return LazySequence(len(places), lambda at: self._query(setting, *places[at]))

    def further_queries(self, setting: Setting, answers: Mapping[str, Answer]) -> Sequence[Query]:
        """Returns the next round of each conversation with the model's own replies; none with another history."""
        if setting.facts["history"] != "own":
            return ()
        queries = []
        for index, ids in enumerate(self.rounds):
            known = next((place for place, key in enumerate(ids) if key not in answers), len(ids))
            if 0 < known < len(ids):
                replies = [answers[key].text for key in ids[:known]]
                queries.append(self._query(setting, index, known, replies))
        return queries

    def _query(self, setting: Setting, index: int, place: int, replies: Sequence[str] = ()) -> Query:
        example = self.source[index]
        turns = turns_of(example)
        turn, shown = turns[place], images_of(turns[: place + 1])
        before = turns[:place]
        if replies:
            pairs = zip(before, replies, strict=True)
            before = tuple(replace(earlier, reply=reply) for earlier, reply in pairs)
        asked = (alone(turns, place),) if setting.facts["history"] == "none" else (*before, turn)
        query = Query(
            id=self.rounds[index][place],
            prompt=self.template.prompt(replace(example, turns=asked)),
            image_id=example.image_id,
            image=shown[-1] if shown else None,
            question=question_of(turn),
            kind=example.kind | {"round": str(place + 1)},
        )
        return self.finished(query, turn)

    @abstractmethod
    def finished(self, query: Query, turn: Turn) -> Query:
        """Returns the query of a round with its references, and its candidates if there are any."""


def turns_of(example: Example) -> tuple[Turn, ...]:
    """Returns the turns of a conversation; of a question, one turn.

    Raises:
        UserError: if the example is neither.
    """
    if example.turns:
        return example.turns
    if not example.question:
        raise UserError(
            f"example {example.id} has no turns; give conversations, such as VisDial, or questions about images"
        )
    image = () if example.image == NO_IMAGE else (example.image,)
    references = example.references if len(example.references) > 1 else ()
    return (Turn((*image, example.question), example.answer, example.id, references=references),)


def images_of(turns: Sequence[Turn]) -> list[Image]:
    """Returns the images that turns show, in order, each once."""
    return [*dict.fromkeys(part for turn in turns for part in turn.message if isinstance(part, Image))]


def question_of(turn: Turn) -> str:
    """Returns the text of a message."""
    return "".join(part for part in turn.message if isinstance(part, str)).strip()


def alone(turns: Sequence[Turn], place: int) -> Turn:
    """Returns a turn without those before it. Images that these showed stand in front of its message."""
    own = images_of(turns[place : place + 1])
    earlier = [image for image in images_of(turns[:place]) if image not in own]
    return replace(turns[place], message=(*earlier, *turns[place].message))
