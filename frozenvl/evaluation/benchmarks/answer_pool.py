"""Candidate answers for questions without answer options, and how likely answers are without looking at the image."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cached_property
from random import Random

from frozenvl.data.sources.source import Source
from frozenvl.evaluation.benchmarks.dialogue import question_of, turns_of
from frozenvl.util.errors import UserError
from frozenvl.util.seeds import seed_from

WORDS = 2
"""Number of a question's first words that the prior by question words knows."""


class AnswerPool:
    """Answers of a source, with the number of times that each was given.

    Args:
        source: conversations or questions with answers, usually those trained on.
    """

    def __init__(self, source: Source) -> None:
        self.source = source

    @cached_property
    def _counted(self) -> tuple[Counter[str], dict[str, Counter[str]]]:
        """Count of each answer, and of each answer to questions with the same first words."""
        total: Counter[str] = Counter()
        by_words: dict[str, Counter[str]] = defaultdict(Counter)
        for index in range(len(self.source)):
            for turn in turns_of(self.source[index]):
                if turn.reply:
                    total[turn.reply] += 1
                    by_words[first_words(question_of(turn))][turn.reply] += 1
        return total, by_words

    @cached_property
    def _sorted(self) -> list[str]:
        """Answers, the most frequent first; equally frequent ones in alphabetical order."""
        total, _ = self._counted
        return sorted(total, key=lambda answer: (-total[answer], answer))

    def candidates(self, gold: str, key: str, number: int, frequent: int, seed: int) -> tuple[str, ...]:
        """Returns the candidates of a round in alphabetical order: the true answer, frequent ones and random ones.

        Args:
            gold: true answer.
            key: id of the round.
            number: number of candidates, the true one included.
            frequent: number of candidates that are the most frequent other answers. The rest is drawn among all further
                answers, each equally likely.
            seed: seed of the draw; hash(seed, key) addresses it.

        Raises:
            UserError: if there are too few answers.
        """
        others = [answer for answer in self._sorted if answer != gold]
        if len(others) < number - 1:
            raise UserError(
                f"{number} candidates need {number - 1} wrong answers, and the pool has {len(others)}"
                "; lower `candidates`"
            )
        first = others[: min(frequent, number - 1)]
        random = Random(seed_from("candidates", seed, key))
        return tuple(sorted([gold, *first, *random.sample(others[len(first) :], number - 1 - len(first))]))

    def frequency(self, answer: str, question: str) -> float:
        """Returns how often an answer was given to any question."""
        return float(self._counted[0][answer])

    def question_words(self, answer: str, question: str) -> float:
        """Returns how often an answer was given to questions with the same first words, then how often to any."""
        total, by_words = self._counted
        own = by_words.get(first_words(question), Counter())
        return own[answer] + total[answer] / (1 + total.total())


def first_words(question: str) -> str:
    """Returns the first words of a question in lower case, without punctuation."""
    return " ".join(re.findall(r"[\w']+", question.lower())[:WORDS])
