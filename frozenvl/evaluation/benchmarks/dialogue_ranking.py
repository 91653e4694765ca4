"""Dialogue by ranking: the place of the true reply among the candidates of each round (VisDial)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task
from frozenvl.evaluation.asks import Rank
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.answer_pool import AnswerPool
from frozenvl.evaluation.benchmarks.dialogue import Dialogue, History, question_of, turns_of
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics.dialogue import METRICS, chance, gold_rank, places, ranking_of, ranking_scores
from frozenvl.prompt import Turn
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

_VISDIAL = re.compile(r"(\d+)/(\d+)")
"""Pattern of the id of a VisDial round: image id and number."""


class DialogueRanking(Dialogue):
    """Ranks the candidate replies of each round by log-likelihood; MRR, R@1, R@5, R@10, mean rank, and NDCG if judged.

    Each score is given for two orders: by the total log-likelihood of a reply (`mrr`), and by the log-likelihood per
    token (`per_token/mrr`). The total prefers short replies, the mean long ones: compare models by the same one. Equal
    log-likelihoods count against the model.

    Rounds of VisDial have their own 100 candidates. For other rounds, candidates are made from the answers of a pool:
    the true one, the `frequent` most frequent others, and random others up to `candidates`.

    Args:
        task: name in `data.val` of the task to evaluate, by default "dialogue". Give either a task or a source.
        source: conversations. A question without turns is a conversation of one round.
        answers: name in `data.train` of the task whose answers are the pool; by default `task`, if it is there.
        pool: source whose answers are the pool; replaces `answers`. The baselines without a model come from it, too.
        template: wording of the turns; by default the task's.
        history: turns in front of a round, each a setting of its own: "gold" (the true replies) or "none" (the round
            alone, after the images shown so far).
        candidates: number of candidates of a round, if the data set has none.
        frequent: number of these that are the pool's most frequent answers.
        seed: seed of the random ones.
        end_token: whether the end token after a candidate counts.
    """

    protocol = "dialogue_ranking"
    metrics = METRICS

    def __init__(
        self,
        task: str | None = None,
        source: Source | None = None,
        answers: str | None = None,
        pool: Source | None = None,
        template: Template | None = None,
        history: Sequence[History] = ("gold",),
        candidates: int = 100,
        frequent: int = 30,
        seed: int = 0,
        end_token: bool = True,
    ) -> None:
        super().__init__(Rank(end_token), task, source, template, history, ("gold", "none"))
        if candidates < 2 or frequent < 0:
            raise UserError("DialogueRanking: candidates has to be at least 2, and frequent at least 0")
        self.answers, self.pool = answers, AnswerPool(pool) if pool is not None else None
        self._pool_given = pool is not None
        self.candidates, self.frequent, self.seed = candidates, frequent, seed
        self._baselines: dict[str, float] | None = None

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:
        super().bind(train, val)
        self._baselines = None
        if self._pool_given:
            return
        if self.answers is not None and self.answers not in train:
            raise UserError(
                f"DialogueRanking: no task {self.answers!r} in data.train whose answers could be candidates "
                f"(there are: {', '.join(train) or 'none'})"
            )
        task = train.get(self.answers or self.task or "")
        self.pool = AnswerPool(task.source) if task else None

    def recorded(self) -> dict[str, Any]:
        rule = f"own, or else {self.candidates}: the true one, {self.frequent} most frequent, random, seed {self.seed}"
        return {"candidates": rule}

    def finished(self, query: Query, turn: Turn) -> Query:
        choices, gold = self._choices(turn, query.id)
        texts = tuple(self.template.target.format(target=choice) for choice in choices)
        judged = zip(texts, turn.relevance, strict=True) if turn.relevance else ()
        return replace(
            query,
            references=() if gold is None else (texts[gold].strip(),),
            candidates=texts,
            scores={text.strip(): relevance for text, relevance in judged if relevance},
        )

    def _choices(self, turn: Turn, key: str) -> tuple[tuple[str, ...], int | None]:
        """Returns the candidates of a round, and the index of the true one; None if it is not known."""
        if turn.choices:
            if turn.correct >= 0:
                return turn.choices, turn.correct
            return turn.choices, turn.choices.index(turn.reply) if turn.reply in turn.choices else None
        if not turn.reply:
            raise UserError(f"round {key} has neither candidates nor a reply; leave it out")
        if self.pool is None:
            raise UserError(
                f"round {key} has no candidates: name a task of data.train (answers) or a source (pool) whose answers "
                "are candidates"
            )
        made = self.pool.candidates(turn.reply, key, self.candidates, self.frequent, self.seed)
        return made, made.index(turn.reply)

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        rankings = {
            key: ranking_of(
                one.query.candidates, one.query.references, one.query.scores, one.values, one.mean_values
            )
            for key, one in answers.items()
        }
        groups = {key: answer.query.kind for key, answer in answers.items()}
        return ranking_scores(rankings, groups, {key: one.query.image_id for key, one in answers.items()})

    def right(self, answer: Answer) -> float | None:
        texts = [text.strip() for text in answer.query.candidates]
        gold = texts.index(answer.query.references[0])
        return float(gold_rank(answer.values, gold, len(texts)) == 1)

    def results(self, answers: Mapping[str, Answer]) -> list[dict[str, Any]]:
        """Returns the ranks of VisDial's candidates, as its evaluation server reads them; [] for other data sets."""
        found = {key: _VISDIAL.fullmatch(key) for key in answers}
        if not all(found.values()):
            return []
        numbered = {key: (int(match[1]), int(match[2])) for key, match in found.items() if match}
        rows = []
        for key, (image, number) in sorted(numbered.items(), key=lambda item: item[1]):
            values = answers[key].values or [0.0] * len(answers[key].query.candidates)
            rows.append({"image_id": image, "round_id": number, "ranks": places(values)})
        return rows

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Returns the MRR of a random order and, with a pool, of two orders without a model.

        `frequency` orders candidates by how often the pool has them as answers, `question_words` by how often as
        answers to questions that begin with the same two words.
        """
        if self._baselines is None:
            orders: dict[str, Callable[[str, str], float]] = {}
            if self.pool is not None:
                orders = {"frequency": self.pool.frequency, "question_words": self.pool.question_words}
            ranks: dict[str, list[int]] = {name: [] for name in orders}
            counts = []
            for index, ids in enumerate(self.rounds):
                for key, turn in zip(ids, turns_of(self.source[index]), strict=True):
                    question = question_of(turn)
                    choices, gold = self._choices(turn, key)
                    if gold is None:
                        continue
                    counts.append(len(choices))
                    for name, value in orders.items():
                        values = [value(choice, question) for choice in choices]
                        ranks[name].append(gold_rank(values, gold, len(choices)))
            means = {name: sum(1 / rank for rank in own) / len(own) for name, own in ranks.items() if own}
            self._baselines = ({"chance": chance(counts)} if counts else {}) | means
        return self._baselines
