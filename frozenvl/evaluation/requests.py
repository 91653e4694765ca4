"""Which queries of a benchmark are asked, in which order, and how a view shows them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from frozenvl.evaluation.session import Context, View
from frozenvl.prompt import Image, Prompt, black, with_images
from frozenvl.training.datamodule import mixed
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.files import read_json

if TYPE_CHECKING:
    from frozenvl.evaluation.benchmark import Benchmark, Query, Setting

LOOKED_AT = 20
"""Queries of which at least one image must be readable before a benchmark starts."""
SAMPLE = 1000
"""Queries that are looked at before anything is run."""
LONGEST = 32
"""Queries whose tokens are counted: the longest by characters."""


@dataclass(frozen=True)
class Evaluation:
    """A benchmark at one of its settings in one view: a score of its own."""

    benchmark: Benchmark
    setting: Setting
    view: View
    context: Context
    queries: Sequence[Query]
    """In the order in which they are answered."""

    @property
    def name(self) -> str:
        return name_of(self.benchmark, self.setting, "" if self.view == "seeing" else self.view)

    def shown(self, query: Query) -> Prompt:
        """The prompt as the model meets it."""
        return shown(query.prompt, self.view, self.context.see)

    @cached_property
    def circumstances(self) -> dict[str, Any]:
        """All that the score depends on, but for queries and references."""
        benchmark = self.benchmark
        generated = {
            "decoding": benchmark.decoding or "greedy",
            "ends": f"at the end token, at one of {list(benchmark.template.stop)!r}, "
            f"or after {benchmark.max_new_tokens} tokens",
        }
        return {
            **self.context.facts,
            "template": asdict(benchmark.template),
            **({"chosen_by": f"likelihood, {benchmark.likelihood}"} if benchmark.likelihood else generated),
            "view": self.view,
            **self.setting.facts,
            **benchmark.circumstances(self.setting),
        }

    @cached_property
    def fingerprint(self) -> str:
        """Identity of all that the predictions depend on."""
        digest = hashlib.sha256(json.dumps(self.circumstances, sort_keys=True, default=str).encode())
        for query in self.queries:
            parts = [part if isinstance(part, str) else {"image": content_of(part)} for part in query.prompt]
            digest.update(json.dumps([query.id, parts, query.candidates]).encode())
        return digest.hexdigest()[:16]


@lru_cache(maxsize=2**17)
def content_of(image: Image) -> str:
    """The identity of an image's content, or that it cannot be had."""
    try:
        return image.digest
    except UnreadableImage:
        return "unreadable"


def name_of(benchmark: Benchmark, setting: Setting, view: str = "") -> str:
    """What an evaluation is called, as its folder is."""
    return "-".join(part for part in (benchmark.name, setting.name, view) if part)


def asked(benchmark: Benchmark, setting: Setting, context: Context, most: int | None = None) -> list[Query]:
    """The queries of a setting, those of like length together; of many a fair sample, if `most` says so.

    Raises:
        UserError: where a query cannot be made; naming the benchmark.
    """
    size = benchmark.size(setting)
    count = min(limited(context, size), size if most is None else most)
    try:
        queries = [benchmark.query(setting, index) for index in mixed(size)[:count]]
    except UnreadableImage:
        raise
    except UserError as error:
        raise UserError(f"{name_of(benchmark, setting)}: {error}") from None
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


def shown(prompt: Prompt, view: View, see: Callable[[Image], Image]) -> Prompt:
    """A prompt as a view has it."""
    if view == "text-only":
        text = "".join(part for part in prompt if isinstance(part, str))
        return (text,) if text else ()
    return with_images(prompt, black if view == "test-blind" else see)


def prompt_record(prompt: Prompt) -> list[dict[str, str]]:
    """A prompt as JSON: its images by name."""
    return [{"text": part} if isinstance(part, str) else {"image": part.name} for part in prompt]


def check(benchmark: Benchmark, setting: Setting, context: Context) -> None:
    """Says before anything is run that a setting cannot be: of many queries it looks at a sample.

    Raises:
        UserError: naming the benchmark.
    """
    where = name_of(benchmark, setting)
    if not benchmark.size(setting):
        raise UserError(f"{where}: has no queries; give it a source that is not empty")
    queries = asked(benchmark, setting, context, SAMPLE)
    if not queries:  # validation is switched off
        return
    check_length(where, benchmark, context, queries)
    check_whole(benchmark, setting, context)
    for query in queries:
        if not query.references and not query.scores:
            raise UserError(f"{where}: query {query.id} has no answer to score against; ask what has one")
    shared = queries[0].prompt[: queries[0].shared]
    for image in (part for part in shared if isinstance(part, Image)):
        if reason := unreadable(image, context):
            raise UserError(f"{where}: all its queries share an image that cannot be read: {reason}")
    if all(reasons := list(_unreadable(queries[:LOOKED_AT], context))):
        raise UserError(f"{where}: none of its first {len(reasons)} prompts can be read: {reasons[0]}")


def check_whole(benchmark: Benchmark, setting: Setting, context: Context) -> None:
    """Raises `UserError` where a part would take the place of a whole that is kept."""
    size = benchmark.size(setting)
    if not context.resumable or limited(context, size) == size:
        return
    for view in context.views:
        folder = context.folder / name_of(benchmark, setting, "" if view == "seeing" else view)
        with suppress(UserError, KeyError, TypeError):  # none, or none of ours
            whole = not read_json(folder / "score.json")["partial"]
            if whole:
                break
    else:
        return
    raise UserError(
        f"{folder}: holds the score of all its queries, which --limit would replace by that of a part; move the folder "
        "away, or leave --limit out"
    )


def _unreadable(queries: Sequence[Query], context: Context) -> Iterator[str]:
    """Why the queries' prompts cannot be read, up to the first that can."""
    for query in queries:
        images = (part for part in query.prompt if isinstance(part, Image))
        reason = next(filter(None, (unreadable(image, context) for image in images)), "")
        yield reason
        if not reason:
            return


def unreadable(image: Image, context: Context) -> str:
    """Why an image cannot be read as it is shown; empty where it can."""
    try:
        context.plain.reader([context.see(image)])
    except UnreadableImage as error:
        return str(error)
    return ""


def check_length(where: str, benchmark: Benchmark, context: Context, queries: Sequence[Query]) -> None:
    """Raises `UserError` where the longest prompts, the last, have more positions than the model."""
    language, plain = context.model.language, context.plain
    limit, before = language.max_positions, language.soft_prompt_length + len(plain.start)
    if limit is None:
        return
    for query in queries[-LONGEST:]:
        parts = [plain.encode(x) if isinstance(x, str) else [0] * context.model.k for x in query.prompt]
        answer = max(map(len, map(plain.encode, query.candidates)), default=benchmark.max_new_tokens)
        needed = before + sum(map(len, parts)) + answer
        if needed > limit:
            raise UserError(
                f"{where}: its longest prompt takes {needed} positions with the answer, "
                f"{language.name} has {limit}; ask for fewer shots or repeats, or a smaller k"
            )
