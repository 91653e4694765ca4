"""The requests of an evaluation: which queries are asked, in which order, and with which images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frozenvl.data.order import mixed
from frozenvl.evaluation.benchmark import Benchmark, Setting
from frozenvl.evaluation.provenance import fingerprint, of_frames
from frozenvl.evaluation.query import Query, Request, View
from frozenvl.evaluation.session import Session
from frozenvl.prompt import Image, black, with_images, without_images
from frozenvl.util.errors import UnreadableImage, UserError


@dataclass(frozen=True)
class Evaluation:
    """A benchmark at one of its settings in one view. Each evaluation has a folder with its score.json."""

    benchmark: Benchmark
    setting: Setting
    view: View
    session: Session
    name: str
    """Name of the evaluation and of its folder."""
    requests: Sequence[Request]
    """Requests in the order in which they are answered."""
    provenance: dict[str, Any]
    """Everything that the score depends on, except queries and references."""
    fingerprint: str
    """Hash of everything that the predictions depend on."""


def evaluation_of(
    benchmark: Benchmark, setting: Setting, view: View, session: Session, queries: Sequence[Query]
) -> Evaluation:
    """Returns the evaluation of a setting's queries in a view."""
    requests = requests_of(queries, view, session)
    provenance = {
        **session.provenance,
        **({"template": benchmark.template.record()} if benchmark.template else {}),
        **benchmark.ask.provenance(),
        **of_frames(queries),
        "view": view,
        **setting.facts,
        **setting.provenance,
    }
    name, digest = name_of(benchmark, setting, view), fingerprint(provenance, queries)
    return Evaluation(benchmark, setting, view, session, name, requests, provenance, digest)


def requests_of(queries: Sequence[Query], view: View, session: Session) -> list[Request]:
    """Returns queries as a view shows them to the model."""
    if view == "text-only":
        return [Request(query, without_images(query.prompt), 0) for query in queries]
    see = black if view == "test-blind" else session.see
    return [Request(query, with_images(query.prompt, see), query.shared) for query in queries]


def name_of(benchmark: Benchmark, setting: Setting, view: View = "seeing") -> str:
    """Returns the name of an evaluation and of its folder: BENCHMARK[-SETTING][-VIEW]; "seeing" is left out."""
    return "-".join(x for x in (benchmark.name, setting.name, view if view != "seeing" else "") if x)


def in_order(name: str, queries: Sequence[Query], session: Session, most: int | None = None) -> list[Query]:
    """Returns the queries to ask, sorted by length, so that a batch needs little padding.

    Args:
        name: name of the evaluation, for error messages.
        queries: all queries of a setting.
        most: largest number of queries to return: a random sample, the same in every run.

    Raises:
        UserError: if a query cannot be made.
    """
    count = number_asked(session, len(queries))
    places = mixed(len(queries))[: count if most is None else min(count, most)]
    try:
        chosen = [queries[place] for place in places]
    except UnreadableImage:
        raise
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    return sorted(chosen, key=lambda query: (length_of(query, session.model.k), query.id))


def length_of(query: Query, k: int) -> int:
    """Returns the length of a query's prompt in characters: a frame takes k positions, a token about 4 characters."""
    lengths = (
        len(part) if isinstance(part, str) else 4 * k * (part.max_frames if isinstance(part, Image) else 1)
        for part in query.prompt
    )
    return sum(lengths)


def number_asked(session: Session, size: int) -> int:
    """Returns how many of `size` queries are asked: the session's limit, in whole batches."""
    batches = -(-size // session.batch_size)
    if isinstance(session.limit, int):
        batches = min(batches, session.limit)
    elif session.limit is not None:
        batches = int(batches * session.limit)
    return min(size, batches * session.batch_size)
