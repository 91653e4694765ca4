"""Few-shot visual question answering (Frozen, section 4.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from frozenvl.data.episodes.demonstrations import Demonstrations
from frozenvl.data.episodes.shots import PerQuestion
from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task
from frozenvl.evaluation.benchmark import Benchmark, Query, Record, Scores, Setting, induced
from frozenvl.evaluation.session import Context
from frozenvl.metrics.layouts import vqa_results
from frozenvl.metrics.vqa import soft_accuracy, soft_scores, vqa_accuracy, vqa_scores
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError
from frozenvl.util.progress import progress_line
from frozenvl.wording import VQA, Template


class FewShotVQA(Benchmark):
    """Answers every question after some demonstrations; scores by VQA accuracy (soft scores where there are such).

    Args:
        task: its name in `data.val`, by default "vqa"; or else
        source: the questions.
        demonstrations: name in `data.train` of the task that demonstrations come from; by default the same.
        pool: or else the source of demonstrations.
        template: how it is worded; by default the task's.
        shots: how many demonstrations, each an evaluation of its own.
        way: how demonstrations are chosen.
        seeds: of the draw, each an evaluation of its own.
        induction: texts before everything else (task induction), each an evaluation of its own; "" is none.
        choose: whether the answer is chosen among the example's choices by likelihood, and how that is measured:
            summed over the answer's tokens, their mean, or the sum less that on a black image.
        max_new_tokens: length limit of an answer.
        decoding: options of transformers' `generate`; none is greedy decoding.
    """

    protocol = "vqa"
    main = "overall"

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
        choose: Literal["sum", "mean", "calibrated"] | None = None,
        max_new_tokens: int = 10,
        decoding: dict[str, Any] | None = None,
    ) -> None:
        task = task or ("vqa" if source is None else None)
        super().__init__(
            task, source, template or (VQA if source is not None else None), max_new_tokens, decoding
        )
        if not shots or min(shots) < 0 or not seeds or not induction:
            raise UserError("FewShotVQA: shots (from 0), seeds and induction each need at least one value")
        self.pool_name, self.pool = demonstrations or task or "", pool
        self.shots, self.way, self.seeds, self.induction = shots, way or PerQuestion(), seeds, induction
        self.likelihood = choose
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

    def prepare(self, context: Context) -> None:
        if self.pool is not None and max(self.shots) and not self._prepared:
            self._prepared = True
            with progress_line("features", context.rank == 0) as progress:
                self.way.prepare(self.source, self.pool, progress)

    def settings(self) -> list[Setting]:
        made = []
        for shots in self.shots:
            for text in self.induction:
                for seed in self.way.seeds(shots, self.seeds):
                    name = f"{shots}shot" + induced(self.induction, text)
                    facts: dict[str, Any] = {"shots": shots, "induction": bool(text)}
                    if shots:
                        facts |= {"demonstrations": self.way.mode, "seed": seed}
                        name += f"-seed{seed}" if len(self.seeds) > 1 else ""
                    made.append(Setting(name, facts | {"induction_text": text} if text else facts))
        return made

    def size(self, setting: Setting) -> int:
        return len(self.source)

    def query(self, setting: Setting, index: int) -> Query:
        example: Example = self.source[index]
        if not example.question:
            raise UserError(
                f"example {example.id} has no question; is it captions, for the benchmark Captions?"
            )
        facts = setting.facts
        shots = (
            self.way.draw(example, self.pool, facts["shots"], facts["seed"])
            if self.pool and facts["shots"]
            else []
        )
        if self.likelihood and not example.choices:
            raise UserError(f"question {example.id} has no choices to choose among; leave `choose` out")
        text = facts.get("induction_text", "")
        template = replace(self.template, induction=text) if text else self.template
        prompt = template.prompt(example, shots)
        # What precedes the query's image is the same for all where demonstrations are.
        alike = (self.way.shared or not shots) and template.query.startswith("{image}")
        return Query(
            id=example.id,
            prompt=prompt,
            image=example.image,
            image_id=example.image_id,
            references=example.choices[:1] if self.likelihood else example.references,
            question=example.question,
            kind=example.kind,
            scores=example.scores,
            shared=max(place for place, part in enumerate(prompt) if part is example.image) if alike else 0,
            candidates=tuple(self.template.target.format(target=choice) for choice in sorted(example.choices))
            if self.likelihood
            else (),
        )

    def score(self, setting: Setting, records: Mapping[str, Record]) -> Scores:
        return self._score({key: row["text"] for key, row in records.items()}, records)

    def _score(self, texts: Mapping[str, str], records: Mapping[str, Record]) -> Scores:
        groups = {key: row.get("kind", {}) for key, row in records.items()}
        images = {key: row["image_id"] for key, row in records.items()}
        soft = {key: row["scores"] for key, row in records.items() if row.get("scores")}
        if soft:
            return soft_scores(texts, {key: soft.get(key, {"": 0.0}) for key in texts}, groups, images)
        return vqa_scores(texts, {key: row["references"] for key, row in records.items()}, groups, images)

    def right(self, record: Record) -> float | None:
        if record.get("scores"):
            return soft_accuracy(record["text"], record["scores"]) / 100
        return vqa_accuracy(record["text"], record["references"]) / 100

    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        return vqa_results(texts)

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Always the pool's most frequent answer; or chance, where there are choices."""
        if self._baselines is None:
            self._baselines = self._chance() if self.likelihood else self._most_frequent()
        return self._baselines

    def _chance(self) -> dict[str, float]:
        counts = [len(self.source[index].choices) for index in range(len(self.source))]
        return {"chance": 100 * sum(1 / count for count in counts) / len(counts)}

    def _most_frequent(self) -> dict[str, float]:
        if self.pool is None:
            return {}
        answers = Counter(self.pool[index].answer for index in range(len(self.pool)))
        most = max((answer for answer in answers if answer), key=answers.__getitem__, default="")
        examples = [self.source[index] for index in range(len(self.source))]
        records = {
            e.id: {"references": e.references, "image_id": e.image_id, "scores": e.scores} for e in examples
        }
        return {"most_frequent": self._score(dict.fromkeys(records, most), records).scores["overall"]}

    def circumstances(self, setting: Setting) -> dict[str, Any]:
        found = {"normalisation": "VQA v2's official"}
        if setting.facts["shots"]:
            found |= {"demonstrations_from": self.pool_name or type(self.pool).__name__}
            found |= self.way.circumstances()
        return found
