"""Few-shot visual question answering (Frozen, section 4.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from frozenvl.data.episodes.demonstrations import Demonstrations
from frozenvl.data.episodes.shots import PerQuestion
from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task
from frozenvl.evaluation.asks import Choose, Generate, Measure
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.worded import Worded, induced
from frozenvl.evaluation.layouts import vqa_results
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics import vqa
from frozenvl.metrics.accuracy import AccuracyScores
from frozenvl.metrics.vqa_rules import RuleName, rules_of
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError
from frozenvl.util.lazy import LazySequence
from frozenvl.util.progress import progress_line
from frozenvl.wording import VQA, Template


class FewShotVQA(Worded):
    """Answers every question after few-shot demonstrations; scores by VQA accuracy (or soft scores, if given).

    Args:
        task: name in `data.val` of the task to evaluate, by default "vqa". Give either a task or a source.
        source: questions with their answers.
        demonstrations: name in `data.train` of the task that demonstrations come from; by default `task`.
        pool: source of demonstrations; replaces `demonstrations`.
        template: wording of the prompts; by default the task's.
        shots: numbers of demonstrations, each a setting of its own.
        way: how demonstrations are chosen; by default at random for each question.
        seeds: seeds of the random choice of demonstrations, each a setting of its own.
        induction: texts before everything else (task induction), each a setting of its own; "" for none.
        choose: log-probability by which the most likely of the example's choices is chosen: its "sum" over tokens, its
            "mean", "calibrated" (sum minus the sum given black images), or "difference" (sum minus `alpha` times the
            sum given the prompt's text without images); by default the answer is generated.
        alpha: weight of the log-probability without images in "difference".
        max_new_tokens: length limit of an answer, in tokens.
        decoding: options of transformers' `generate`; by default decoding is greedy.
        rules: normalisation of answers before they are compared: "official" (VQA v2's), "lavis", "lmms" or "m4c".
    """

    protocol = "vqa"
    metrics = vqa.METRICS

    def __init__(
        self,
        task: str | None = None,
        source: Source | None = None,
        demonstrations: str | None = None,
        pool: Source | None = None,
        template: Template | None = None,
        shots: Sequence[int] = (0, 4),
        way: Demonstrations | None = None,
        seeds: Sequence[int] = (0,),
        induction: Sequence[str] = ("",),
        choose: Measure | None = None,
        alpha: float = 1.0,
        max_new_tokens: int = 10,
        decoding: dict[str, Any] | None = None,
        rules: RuleName = "official",
    ) -> None:
        task = task or ("vqa" if source is None else None)
        ask = Choose(choose, alpha) if choose else Generate(max_new_tokens, decoding or {})
        super().__init__(ask, task, source, template or (VQA if source is not None else None))
        if not shots or min(shots) < 0 or not seeds or not induction:
            raise UserError("FewShotVQA: shots (from 0), seeds and induction each need at least one value")
        self.pool_name, self.pool = "" if pool is not None else demonstrations or task or "", pool
        self.shots, self.way, self.seeds, self.induction = shots, way or PerQuestion(), seeds, induction
        self.rules: RuleName = rules
        self._normalisation = rules_of(rules).record
        self._prepared = False
        self._baselines: dict[str, float] | None = None

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:
        super().bind(train, val)
        most = max(self.shots)
        if self.pool is None and most:
            if not self.pool_name:
                raise UserError("FewShotVQA: a source of its own needs a pool that demonstrations come from")
            if self.pool_name not in train:
                raise UserError(
                    f"FewShotVQA: no task {self.pool_name!r} in data.train to draw demonstrations from "
                    f"(there are: {', '.join(train)})"
                )
            self.pool = train[self.pool_name].source
        if self.pool is not None and most > len(self.pool):
            raise UserError(f"FewShotVQA: {most} shots, but the pool has only {len(self.pool)} examples")

    def prepare(self, progress: bool) -> None:
        if self.pool is not None and max(self.shots) and not self._prepared:
            self._prepared = True
            with progress_line("features", "images", progress) as report:
                self.way.prepare(self.source, self.pool, report)

    def settings(self) -> list[Setting]:
        settings = []
        for shots in self.shots:
            for text in self.induction:
                for seed in self.way.seeds(shots, self.seeds):
                    name = f"{shots}shot" + induced(self.induction, text)
                    facts: dict[str, Any] = {"shots": shots, "induction": bool(text)}
                    provenance: dict[str, Any] = {"normalisation": self._normalisation}
                    if shots:
                        provenance |= {"demonstrations_from": self.pool_name or type(self.pool).__name__}
                        provenance |= self.way.provenance()
                        facts |= {"demonstrations": self.way.mode, "seed": seed}
                        name += f"-seed{seed}" if len(self.seeds) > 1 else ""
                    facts |= {"induction_text": text} if text else {}
                    settings.append(Setting(name, facts, provenance))
        return settings

    def queries(self, setting: Setting) -> Sequence[Query]:
        return LazySequence(len(self.source), lambda index: self._query(setting, self.source[index]))

    def _query(self, setting: Setting, example: Example) -> Query:
        if not example.question:
            raise UserError(
                f"example {example.id} has no question; is it captions, for the benchmark Captions?"
            )
        choosing = isinstance(self.ask, Choose)
        if choosing and not example.choices:
            raise UserError(f"question {example.id} has no choices to choose among; leave `choose` out")
        facts = setting.facts
        shots = (
            self.way.draw(example, self.pool, facts["shots"], facts["seed"])
            if self.pool and facts["shots"]
            else []
        )
        text = facts.get("induction_text", "")
        template = replace(self.template, induction=text) if text else self.template
        prompt = template.prompt(example, shots)
        # With the same demonstrations for all queries, everything before the query's image is the same, too.
        same_beginning = (self.way.shared or not shots) and template.query.startswith("{image}")
        shared = (
            max(place for place, part in enumerate(prompt) if part is example.image) if same_beginning else 0
        )
        return Query(
            id=example.id,
            prompt=prompt,
            image_id=example.image_id,
            references=example.choices[:1] if choosing else example.references,
            image=example.image,
            question=example.question,
            kind=example.kind,
            scores=example.scores,
            shared=shared,
            candidates=tuple(template.target.format(target=choice) for choice in sorted(example.choices))
            if choosing
            else (),
        )

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        texts = {key: answer.text for key, answer in answers.items()}
        return self._scores(texts, {key: answer.query for key, answer in answers.items()})

    def right(self, answer: Answer) -> float | None:
        if answer.query.scores:
            return vqa.soft_accuracy(answer.text, answer.query.scores, self.rules) / 100
        return vqa.vqa_accuracy(answer.text, answer.query.references, self.rules) / 100

    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        return vqa_results(texts)

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Returns the score of always giving the pool's most frequent answer; chance if answers are chosen."""
        if self._baselines is None:
            self._baselines = self._chance() if isinstance(self.ask, Choose) else self._most_frequent()
        return self._baselines

    def _chance(self) -> dict[str, float]:
        counts = [len(self.source[index].choices) for index in range(len(self.source))]
        return {"chance": 100 * sum(1 / count for count in counts) / len(counts)}

    def _most_frequent(self) -> dict[str, float]:
        if self.pool is None:
            return {}
        answers = Counter(self.pool[index].answer for index in range(len(self.pool)))
        most = max((answer for answer in answers if answer), key=answers.__getitem__, default="")
        examples = {example.id: example for example in map(self.source.__getitem__, range(len(self.source)))}
        scored = self._scores(dict.fromkeys(examples, most), examples)
        return {"most_frequent": scored.scores["overall"]}

    def _scores(
        self, texts: Mapping[str, str], questions: Mapping[str, Example] | Mapping[str, Query]
    ) -> AccuracyScores:
        """Returns VQA accuracy of answers, or soft accuracy if the data set has soft scores."""
        groups = {key: question.kind for key, question in questions.items()}
        images = {key: question.image_id for key, question in questions.items()}
        if any(question.scores for question in questions.values()):
            labels = {key: question.scores or {"": 0.0} for key, question in questions.items()}
            return vqa.soft_scores(texts, labels, groups, images, rules=self.rules)
        answers = {key: question.references for key, question in questions.items()}
        scored = vqa.vqa_scores(texts, answers, groups, images, rules=self.rules)
        return replace(scored, notes=vqa.rules_notes(texts, answers, self.rules))
