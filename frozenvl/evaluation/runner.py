"""Runs a benchmark: which queries a rank takes, generating, gathering, going on after an interruption.

Batches are fixed by position and dealt whole to the ranks, and gathered once at the end. So the number of ranks
changes nothing, and a rank without a query still takes part.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import lightning as L
import torch

from frozenvl.data.datamodule import evaluation_batches, mixed
from frozenvl.data.reading import readable
from frozenvl.errors import UnreadableImage, UserError
from frozenvl.evaluation.keeping import keep, prompt_record
from frozenvl.files import read_json, write_atomically
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.prefixes import Prefixes
from frozenvl.model.processor import Processor
from frozenvl.progress import progress_line
from frozenvl.prompt import Image, Prompt, Sample, black, with_images

if TYPE_CHECKING:
    from frozenvl.evaluation.benchmark import Benchmark, Query, Record, Setting

View = Literal["seeing", "test-blind", "text-only"]
"""What is shown of an image: itself; black in its place (blind at test only); nothing, not even a prefix."""
LOOKED_AT = 20
"""Queries of which at least one image must be readable before a benchmark starts."""


@dataclass(frozen=True)
class Context:
    """A model, and where and how it is evaluated."""

    model: FrozenVL
    plain: Processor
    """Reads images one by one."""
    folder: Path
    """Of the evaluations."""
    facts: dict[str, Any]
    """Circumstances: the model's, the data's."""
    step: int
    batch_size: int
    see: Callable[[Image], Image] = lambda image: image
    """What a run shows of an image."""
    views: Sequence[View] = get_args(View)[:1]
    limit: int | float | None = None
    """How many batches, or which share of them."""
    rank: int = 0
    world_size: int = 1
    log: Callable[[str, float], None] = lambda key, value: None
    loggers: Sequence[Any] = ()
    resumable: bool = False
    """Whether finished predictions are kept as they come, and used again."""
    known: dict[Any, Any] = field(default_factory=dict)
    """What benchmarks and settings share."""

    @cached_property
    def processor(self) -> Processor:
        """Reads an image's prefix vectors, which are computed once."""
        processor = copy(self.plain)
        processor.reader = Prefixes(self.model, self.plain.reader)
        return processor


def in_loop(trainer: Any, module: Any) -> Context:
    """The context of a validation or test of Lightning's."""
    from frozenvl.evaluation.circumstances import of_run

    data = trainer.datamodule
    return Context(
        model=module.model,
        plain=module.processor,
        folder=Path(trainer.default_root_dir) / "evaluation",
        facts=of_run(module, data.blind, data.scaled_decoding, data.eval_batch_size),
        step=trainer.global_step or module.trained_steps,
        batch_size=data.eval_batch_size,
        see=data.see,
        limit=trainer.limit_test_batches if trainer.testing else trainer.limit_val_batches,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
        log=module.log,
        loggers=[x for x in trainer.loggers if isinstance(x, L.pytorch.loggers.TensorBoardLogger)],
    )


def evaluate(benchmark: Benchmark, setting: Setting, context: Context) -> None:
    """Asks a setting's queries in each view; scores, logs, writes and draws."""
    queries = asked(benchmark, setting, context)
    for view in context.views:
        name = "-".join(
            part for part in (benchmark.name, setting.name, "" if view == "seeing" else view) if part
        )
        circumstances = {
            **context.facts,
            "template": asdict(benchmark.template),
            "decoding": benchmark.decoding or "greedy",
            "ends": f"at the end token, at one of {list(benchmark.template.stop)!r}, "
            f"or after {benchmark.max_new_tokens} tokens",
            "view": view,
            **setting.facts,
            **benchmark.circumstances(setting),
        }
        fingerprint = digest(
            [circumstances, [[q.id, prompt_record(q.prompt), q.candidates] for q in queries]]
        )
        parts = Parts(context, name, fingerprint)
        records = dict(parts.known)
        batches = evaluation_batches(queries, context.batch_size)
        with progress_line(name, context.rank == 0) as progress:
            mine = batches[context.rank :: context.world_size]
            for done, batch in enumerate(mine, start=1):
                if any(query.id not in records for query in batch):
                    parts.add(answer(benchmark, batch, view, context))
                progress(done, len(mine))
        for part in gather(parts.mine):
            records |= part
        records = {query.id: records[query.id] for query in sorted(queries, key=lambda query: query.id)}
        by_id = {query.id: query for query in queries}
        keep(benchmark, setting, view, name, circumstances, fingerprint, records, by_id, context)
        parts.remove()


def asked(benchmark: Benchmark, setting: Setting, context: Context) -> list[Query]:
    """The queries in the order in which they are answered: those of like length together."""
    size = benchmark.size(setting)
    queries = [benchmark.query(setting, index) for index in mixed(size)[: limited(context, size)]]
    return sorted(queries, key=lambda query: (length(query.prompt, context.model.k), query.id))


def limited(context: Context, size: int) -> int:
    """How many queries are asked: whole batches."""
    batches = -(-size // context.batch_size)
    if isinstance(context.limit, int):
        batches = min(batches, context.limit)
    elif context.limit is not None:
        batches = int(batches * context.limit)
    return min(size, batches * context.batch_size)


def length(prompt: Prompt, k: int) -> int:
    """About how long a prompt is."""
    return sum(len(part) if isinstance(part, str) else 4 * k for part in prompt)


def check(benchmark: Benchmark, setting: Setting, context: Context) -> None:
    """Says before anything is run that a setting's prompts are too long, or its images not there.

    Raises:
        UserError: naming the benchmark.
    """
    queries = asked(benchmark, setting, context)
    where = f"{benchmark.name} {setting.name}".strip()
    limit = context.model.language.max_positions
    for query in queries[-3:]:
        parts = [
            context.plain.encode(part) if isinstance(part, str) else [0] * context.model.k
            for part in query.prompt
        ]
        tokens = sum(map(len, parts)) + benchmark.max_new_tokens
        if limit is not None and tokens > limit:
            raise UserError(
                f"{where}: its longest prompt takes {tokens} positions with the answer, "
                f"{context.model.language.name} has {limit}; ask for fewer shots, repeats or a smaller k"
            )
    reasons = []
    for query in queries[:LOOKED_AT]:
        try:
            query.image.read(64)
            return
        except UnreadableImage as error:
            reasons.append(str(error))
    if reasons:
        raise UserError(f"{where}: none of its first {len(reasons)} images can be read: {reasons[0]}")


def shown(prompt: Prompt, view: View, see: Callable[[Image], Image]) -> Prompt:
    """A prompt as a view has it."""
    if view == "text-only":
        text = "".join(part for part in prompt if isinstance(part, str))
        return (text,) if text else ()
    return with_images(prompt, black if view == "test-blind" else see)


def answer(benchmark: Benchmark, batch: Sequence[Query], view: View, context: Context) -> dict[str, Record]:
    """The records of a batch."""
    processor, model = context.processor, context.model
    texts: dict[str, tuple[str, bool]] = {}
    unreadable: dict[str, str] = {}
    shared = 0 if view == "text-only" else min(query.shared for query in batch)
    prompts = {query.id: shown(query.prompt, view, context.see) for query in batch}
    if batch[0].candidates:
        chosen, unreadable = choose(benchmark, batch, prompts, context)
        texts = {key: (text, True) for key, text in chosen.items()}  # it ends, since nothing follows it
    else:
        after = prefilled(prompts[batch[0].id][:shared], context) if shared else None
        samples = [Sample(key, prompt[shared:]) for key, prompt in prompts.items()]
        tensors = readable(samples, lambda rows: processor(rows, start=after is None))
        unreadable = dict(tensors.unreadable)
        if len(tensors):
            generated = model.generate(
                tensors.to(model.device),
                processor,
                benchmark.max_new_tokens,
                benchmark.template.stop,
                after=after,
                **benchmark.decoding,
            )
            texts = {
                key: (text, ended(text, benchmark, processor))
                for key, text in zip(tensors.ids, generated, strict=True)
            }
    return {
        query.id: record(benchmark, query, texts.get(query.id), unreadable.get(query.id)) for query in batch
    }


def ended(text: str, benchmark: Benchmark, processor: Processor) -> bool:
    """Whether a text came to its end, rather than to the length limit."""
    stopped = any(marker in text for marker in benchmark.template.stop)
    return stopped or len(processor.encode(text)) < benchmark.max_new_tokens


def prefilled(prompt: Prompt, context: Context) -> Any:
    """Keys and values of what a setting's queries share, computed once."""
    if context.known.get("shared") != prompt:
        context.known["shared"] = prompt
        context.known["prefilled"] = context.model.prefill(context.processor, prompt)
    return context.known["prefilled"]


def choose(
    benchmark: Benchmark, batch: Sequence[Query], prompts: dict[str, Prompt], context: Context
) -> tuple[dict[str, str], dict[str, str]]:
    """The most likely candidate of each query; and, with the reason, queries that cannot be read."""
    left, unreadable = list(batch), dict[str, str]()
    while left:
        candidates = [query.candidates for query in left]
        try:
            ranked = context.model.rank(context.processor, [prompts[query.id] for query in left], candidates)
        except UnreadableImage as error:
            lost = [query for query in left if error.image in prompts[query.id]]
            if not lost:
                raise
            unreadable |= {query.id: str(error) for query in lost}
            left = [query for query in left if query not in lost]
            continue
        values = [
            [each.logp / (each.tokens if benchmark.likelihood == "mean" else 1) for each in row]
            for row in ranked
        ]
        if benchmark.likelihood == "calibrated":
            blind = [shown(query.prompt, "test-blind", context.see) for query in left]
            without = context.model.rank(context.processor, blind, candidates)
            values = [
                [value - each.logp for value, each in zip(*rows, strict=True)]
                for rows in zip(values, without, strict=True)
            ]
        best = (max(range(len(row)), key=row.__getitem__) for row in values)
        return {
            query.id: query.candidates[place] for query, place in zip(left, best, strict=True)
        }, unreadable
    return {}, unreadable


def record(
    benchmark: Benchmark, query: Query, said: tuple[str, bool] | None, unreadable: str | None
) -> Record:
    """What is kept of a query."""
    text, end = said or ("", False)
    return {
        "id": query.id,
        "image": query.image.name,
        "image_id": query.image_id,
        "question": query.question,
        "prompt": prompt_record(query.prompt),
        "text": benchmark.template.answer(text),
        "generated": text,
        "ended": end,
        "references": list(query.references),
        **({"kind": query.kind} if query.kind else {}),
        **({"scores": query.scores} if query.scores else {}),
        **({"candidates": list(query.candidates)} if query.candidates else {}),
        **({"unreadable": unreadable} if unreadable else {}),
    }


def digest(content: Any) -> str:
    """Identity of what can be written as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


class Parts:
    """Predictions kept batch by batch, so that an interrupted evaluation goes on where it stopped.

    Args:
        context: where.
        name: of the evaluation.
        fingerprint: of all that the predictions depend on: others are not used.
    """

    def __init__(self, context: Context, name: str, fingerprint: str) -> None:
        self.folder, self.fingerprint, self.context = context.folder / name, fingerprint, context
        self.mine: dict[str, Record] = {}
        self.known: dict[str, Record] = {}
        if context.resumable:
            self.known = gather(dict(self._read()) if context.rank == 0 else {})[0]
        self._file = self.folder / f"part-{uuid.uuid4().hex[:8]}.jsonl"

    def _read(self) -> Iterator[tuple[str, Record]]:
        finished = self.folder / "score.json"
        if finished.is_file() and read_json(finished).get("fingerprint") == self.fingerprint:
            yield from ((row["id"], row) for row in read_json(self.folder / "predictions.jsonl"))
        for path in sorted(self.folder.glob("part-*.jsonl")):
            rows = lines(path)
            if next(rows, None) == {"fingerprint": self.fingerprint}:
                yield from ((row["id"], row) for row in rows)

    def add(self, records: dict[str, Record]) -> None:
        self.mine |= records
        if not self.context.resumable:
            return
        if not self._file.exists():
            write_atomically(self._file, json.dumps({"fingerprint": self.fingerprint}) + "\n")
        with self._file.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in records.values()))

    def remove(self) -> None:
        if self.context.resumable and self.context.rank == 0:
            for path in self.folder.glob("part-*.jsonl"):
                path.unlink()


def lines(path: Path) -> Iterator[Any]:
    """The objects of a JSON Lines file, as far as it was written."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def gather(mine: Any) -> list[Any]:
    """Every rank's object, on every rank."""
    if not torch.distributed.is_initialized():
        return [mine]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, mine)
    return parts
