"""Base class of benchmarks on few-shot episodes: a support set that binds new words, then a query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from frozenvl.evaluation.asks import Ask
from frozenvl.evaluation.benchmark import Setting
from frozenvl.evaluation.benchmarks.worded import Worded, induced
from frozenvl.evaluation.layouts import vqa_results
from frozenvl.evaluation.query import Query
from frozenvl.prompt import Episode, Example, Image, Prompt, PromptPart, joined
from frozenvl.util.errors import UserError
from frozenvl.util.lazy import LazySequence
from frozenvl.wording import Template


class Episodes(ABC):
    """Interface of a set of episodes: any class with `__len__` and `__getitem__(index)`, which returns an `Episode`."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Episode: ...

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        sized = hasattr(other, "__len__") and hasattr(other, "__getitem__")
        # Mappings are excluded: jsonargparse passes a class path with its arguments as one.
        return cls is Episodes and sized and not issubclass(other, Mapping)


class EpisodeBenchmark(Worded):
    """Asks the query of each episode after its support set.

    Each combination of episode set, number of repeats and induction text is a setting.
    """

    rules: ClassVar[dict[str, str]]
    """Rules by which an answer counts as correct, recorded with the scores."""

    def __init__(
        self,
        ask: Ask,
        episodes: Mapping[str, Episodes],
        template: Template,
        repeats: Sequence[int],
        induction: Sequence[str],
        supervised_encoder: str = "",
    ) -> None:
        if not episodes or not repeats or not induction or min(repeats) < 0:
            raise UserError(
                f"{type(self).__name__}: episodes, repeats (from 0) and induction each need at least one value"
            )
        for name, episode_set in episodes.items():
            if not len(episode_set):
                raise UserError(
                    f"{type(self).__name__}: {name} holds no episodes; give it a source that is not empty"
                )
            if not isinstance(episode_set[0], Episode):
                raise UserError(
                    f"{type(self).__name__}: {name}: {type(episode_set).__name__} gives no episodes; LabelledEpisodes "
                    "draws some from labelled images"
                )
        if template.chat:
            raise UserError(
                f"{type(self).__name__}: a support set is captions, which no chat template words; leave template.chat "
                "out"
            )
        super().__init__(ask, None, episodes, template, supervised_encoder)
        self.repeats, self.induction = repeats, induction
        self._checked = False

    def prepare(self, progress: bool) -> None:
        """Raises `UserError` unless all episodes of a set have the same number of ways and shots."""
        if self._checked:
            return
        self._checked = True
        for name, episodes in self.source.items():
            first = ways_and_shots(episodes[0])
            for index in range(len(episodes)):
                episode = episodes[index]
                ways, shots = ways_and_shots(episode)
                if (ways, shots) != first:
                    raise UserError(
                        f"{self.name}: {name}: episode {episode.id} has {ways} ways and {shots} shots, "
                        f"the first {first[0]} and {first[1]}; keep each kind in a set of its own"
                    )

    def settings(self) -> list[Setting]:
        settings = []
        for name, episodes in self.source.items():
            ways, inner_shots = ways_and_shots(episodes[0])
            for text in self.induction:
                for repeats in self.repeats if inner_shots else (0,):
                    facts: dict[str, Any] = {
                        "ways": ways,
                        "inner_shots": inner_shots,
                        "repeats": repeats,
                        "induction": bool(text),
                        "episodes": name,
                    }
                    label = name + induced(self.induction, text) + (f"-repeats{repeats}" if repeats else "")
                    facts |= {"induction_text": text} if text else {}
                    settings.append(Setting(label, facts, self.rules))
        return settings

    def queries(self, setting: Setting) -> Sequence[Query]:
        episodes = self.source[setting.facts["episodes"]]
        return LazySequence(len(episodes), lambda index: self._query(setting, episodes[index]))

    def _query(self, setting: Setting, episode: Episode) -> Query:
        support = episode.support * (1 + setting.facts["repeats"])
        parts: list[PromptPart] = [self._induction(setting, episode)]
        for image, caption in support:
            parts += [*self._support_example(image, caption), self.template.separator]
        asked = Example(episode.id, episode.query, "", (episode.answer,), question=episode.question)
        parts += self.template.prompt(asked)
        return Query(
            id=episode.id,
            prompt=joined(parts),
            image=episode.query,
            image_id=episode.query.key,
            references=(episode.answer,),
            question=episode.question,
            candidates=self._candidates(episode),
        )

    def _support_example(self, image: Image, caption: str) -> Prompt:
        """Returns the prompt parts of a support example: the query's template with the caption as the question."""
        return self.template.prompt(Example("", image, "", question=caption))

    def _induction(self, setting: Setting, episode: Episode) -> str:
        """Returns the induction text of a setting, with the episode's names filled in for `{names}`."""
        text: str = setting.facts.get("induction_text", "")
        return text.replace("{names}", " or ".join(names_of(episode))) if "{names}" in text else text

    def _candidates(self, episode: Episode) -> tuple[str, ...]:
        """Returns the answers to choose among; empty if answers are generated."""
        return ()

    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        return vqa_results(texts)


def ways_and_shots(episode: Episode) -> tuple[int, int]:
    """Returns the number of distinct captions in the support set (ways), and of examples per caption (shots)."""
    ways = len({caption for _, caption in episode.support}) or 1
    return ways, len(episode.support) // ways


def names_of(episode: Episode) -> tuple[str, ...]:
    """Returns the names that the support set binds. Raises `UserError` if it binds none, or not the answer."""
    if not episode.choices:
        raise UserError(
            f'episode {episode.id}: its captions do not name things as in "This is a dax", with the answer among '
            "them; leave out {names} and `choose`"
        )
    return episode.choices
