"""Episodes: new words bound to images in the context (Frozen, section 4.3), and questions that use them (4.4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from frozenvl.evaluation.benchmark import Benchmark, Query, Record, Scores, Setting, induced
from frozenvl.evaluation.session import Context
from frozenvl.metrics.accuracy import AccuracyScores
from frozenvl.metrics.layouts import vqa_results
from frozenvl.metrics.naming import naming_scores, strict_match
from frozenvl.metrics.vqa import exact_match, vqa_scores
from frozenvl.prompt import Episode, Example, Image, Prompt, joined
from frozenvl.util.errors import UserError
from frozenvl.wording import NAMING_WORDINGS, Template


class Episodes(ABC):
    """Whatever has a length and gives an `Episode` by its index."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Episode: ...

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        sized = hasattr(other, "__len__") and hasattr(other, "__getitem__")
        # No mapping: a class path with its arguments is one.
        return cls is Episodes and sized and not issubclass(other, Mapping)


class _Episodes(Benchmark):
    """What naming and questions about named things share.

    Each setting is a set of episodes, times the repeats, with and without induction.
    """

    def __init__(
        self,
        episodes: Mapping[str, Episodes],
        template: Template,
        repeats: Sequence[int],
        induction: Sequence[str],
        max_new_tokens: int,
        decoding: dict[str, Any] | None,
        supervised_encoder: str,
    ) -> None:
        if not episodes or not repeats or not induction or min(repeats) < 0:
            raise UserError(
                f"{type(self).__name__}: episodes, repeats (from 0) and induction each need at least one value"
            )
        for name, each in episodes.items():
            if len(each) and not isinstance(each[0], Episode):
                raise UserError(
                    f"{type(self).__name__}: {name}: {type(each).__name__} gives no episodes; LabelledEpisodes draws "
                    "some from labelled images"
                )
        super().__init__(None, episodes, template, max_new_tokens, decoding, supervised_encoder)
        self.repeats, self.induction = repeats, induction
        self._looked = False

    def prepare(self, context: Context) -> None:
        """Raises `UserError` where the episodes of a set are not alike: one score could not stand for all."""
        if self._looked:
            return
        self._looked = True
        for name, episodes in self.source.items():
            first = ways_and_shots(episodes[0])
            for index in range(len(episodes)):
                episode = episodes[index]
                if (found := ways_and_shots(episode)) != first:
                    raise UserError(
                        f"{self.name}: {name}: episode {episode.id} has {found[0]} ways and {found[1]} shots, "
                        f"the first {first[0]} and {first[1]}; keep each kind in a set of its own"
                    )

    def settings(self) -> list[Setting]:
        made = []
        for name, episodes in self.source.items():
            ways, inner_shots = ways_and_shots(episodes[0])
            for text in self.induction:
                for repeats in self.repeats if inner_shots else (0,):
                    facts = {
                        "ways": ways,
                        "inner_shots": inner_shots,
                        "repeats": repeats,
                        "induction": bool(text),
                        "episodes": name,
                    }
                    label = name + induced(self.induction, text) + (f"-repeats{repeats}" if repeats else "")
                    made.append(Setting(label, facts | ({"induction_text": text} if text else {})))
        return made

    def size(self, setting: Setting) -> int:
        return len(self.source[setting.facts["episodes"]])

    def query(self, setting: Setting, index: int) -> Query:
        episode = self.source[setting.facts["episodes"]][index]
        support = episode.support * (1 + setting.facts["repeats"])
        parts: list[str | Image] = [self._induction(setting, episode)]
        for image, caption in support:
            parts += [*self._shown(image, caption), self.template.separator]
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

    def _shown(self, image: Image, caption: str) -> Prompt:
        """A complete example: the query's wording with the caption in the question's place."""
        return self.template.prompt(Example("", image, "", question=caption))

    def _induction(self, setting: Setting, episode: Episode) -> str:
        text: str = setting.facts.get("induction_text", "")
        return text.replace("{names}", " or ".join(names_of(episode))) if "{names}" in text else text

    def _candidates(self, episode: Episode) -> tuple[str, ...]:
        return ()

    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        return vqa_results(texts)


def ways_and_shots(episode: Episode) -> tuple[int, int]:
    """How many kinds the support shows, and how often each."""
    ways = len({caption for _, caption in episode.support}) or 1
    return ways, len(episode.support) // ways


def names_of(episode: Episode) -> tuple[str, ...]:
    """The names that the support binds. Raises `UserError` where it binds none, or not the answer."""
    if not episode.choices:
        raise UserError(
            f'episode {episode.id}: its captions do not name things as in "This is a dax", with the answer among '
            "them; leave out {names} and `choose`"
        )
    return episode.choices


@dataclass(frozen=True)
class Both:
    """Frozen's strict accuracy and the lenient one, in percent."""

    strict: AccuracyScores
    first_phrase: AccuracyScores

    @cached_property
    def scores(self) -> dict[str, float]:
        return {
            "strict": self.strict.scores["overall"],
            "first_phrase": self.first_phrase.scores["overall"],
        }

    def intervals(self) -> dict[str, tuple[float, float]]:
        return {
            "strict": self.strict.intervals()["overall"],
            "first_phrase": self.first_phrase.intervals()["overall"],
        }


class Naming(_Episodes):
    """Open-Ended and Real-Name miniImageNet and their kin: says what the query's image shows, by a name that the
    support has just bound to its kind. Right is exactly the name and then the end; the first phrase is scored beside.

    Args:
        episodes: sets of episodes by name, such as one of the published files for each number of ways and shots.
        template: how it is worded: a template, or the name of one in `NAMING_WORDINGS`. `{question}` stands for the
            support's captions ("This is a dax") and for what the query begins with ("This is a").
        repeats: times each support example stands again.
        induction: texts before the support, `{names}` filled with "dax or blicket"; "" is none.
        choose: whether the name is chosen among the support's by likelihood, and how that is measured.
        max_new_tokens: length limit of a name.
        decoding: options of transformers' `generate`; none is greedy decoding.
        supervised_encoder: what to say of an encoder that was trained on these classes with labels.
    """

    protocol = "naming"
    main = "strict"
    why = "{question} stands for the support's captions and for what the query begins with"

    def __init__(
        self,
        episodes: dict[str, Episodes],
        template: Template | Literal["published", "paper"] = "published",
        repeats: Sequence[int] = (0,),
        induction: Sequence[str] = ("", "Answer with {names}.\n"),
        choose: Literal["sum", "mean", "calibrated"] | None = None,
        max_new_tokens: int = 8,
        decoding: dict[str, Any] | None = None,
        supervised_encoder: str = "",
    ) -> None:
        worded = template if isinstance(template, Template) else NAMING_WORDINGS[template]
        super().__init__(episodes, worded, repeats, induction, max_new_tokens, decoding, supervised_encoder)
        self.likelihood = choose

    def _candidates(self, episode: Episode) -> tuple[str, ...]:
        if not self.likelihood:
            return ()
        return tuple(self.template.target.format(target=name) for name in sorted(names_of(episode)))

    def score(self, setting: Setting, records: Mapping[str, Record]) -> Scores:
        return Both(
            **naming_scores(
                {key: row["text"] for key, row in records.items()},
                {key: row["ended"] for key, row in records.items()},
                {key: row["references"][0] for key, row in records.items()},
                images={key: row["image_id"] for key, row in records.items()},
            )
        )

    def right(self, record: Record) -> float | None:
        return float(strict_match(record["text"], record["references"][0], record["ended"]))

    def baselines(self, setting: Setting) -> dict[str, float]:
        return {"chance": 100 / setting.facts["ways"]} if setting.facts["inner_shots"] else {}

    def circumstances(self, setting: Setting) -> dict[str, Any]:
        return {"rule": "strict: exactly the name, then the end; first_phrase: the name, whatever follows it"}


class EpisodeVQA(_Episodes):
    """Fast-VQA, Real-Fast-VQA and Guided-VQA: a question about the query's image that uses a word bound in the support.

    One gold answer, matched exactly after VQA's normalisation. Guided-VQA's gold answers are whole sentences ("That
    is a blue coat."): they are matched so, too, and an answer in a word is wrong.

    Args:
        episodes: sets of episodes by name, such as the published files.
        template: how it is worded: the question stands for both the question and the support's captions.
        repeats: times each support example stands again.
        induction: texts before the support; "" is none.
        max_new_tokens: length limit of an answer.
        decoding: options of transformers' `generate`; none is greedy decoding.
    """

    protocol = "fast_vqa"
    main = "overall"

    def __init__(
        self,
        episodes: dict[str, Episodes],
        template: Template | None = None,
        repeats: Sequence[int] = (0,),
        induction: Sequence[str] = ("",),
        max_new_tokens: int = 12,
        decoding: dict[str, Any] | None = None,
    ) -> None:
        worded = template or Template(query="{image}Q: {question} A:", target=" {target}", stop=("\n", "Q:"))
        super().__init__(episodes, worded, repeats, induction, max_new_tokens, decoding, "")

    def _shown(self, image: Image, caption: str) -> Prompt:
        return (image, caption)

    def score(self, setting: Setting, records: Mapping[str, Record]) -> Scores:
        return vqa_scores(
            {key: row["text"] for key, row in records.items()},
            {key: row["references"] for key, row in records.items()},
            images={key: row["image_id"] for key, row in records.items()},
        )

    def right(self, record: Record) -> float | None:
        return float(exact_match(record["text"], record["references"][0]))

    def circumstances(self, setting: Setting) -> dict[str, Any]:
        return {"normalisation": "VQA v2's official; one gold answer, matched exactly"}
