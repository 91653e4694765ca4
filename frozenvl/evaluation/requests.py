"""The requests of an evaluation: queries in the order in which they are asked, as a view shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from frozenvl.data.order import mixed
from frozenvl.evaluation.benchmark import Benchmark, Setting
from frozenvl.evaluation.provenance import fingerprint
from frozenvl.evaluation.query import Query, Request, View
from frozenvl.evaluation.session import Session
from frozenvl.prompt import black, with_images
from frozenvl.util.errors import UnreadableImage, UserError


@dataclass(frozen=True)
class Evaluation:
    """A benchmark at one of its settings in one view: it has a score of its own."""

    benchmark: Benchmark
    setting: Setting
    view: View
    session: Session
    name: str
    """Name of the evaluation, and of its folder."""
    requests: Sequence[Request]
    """The requests in the order in which they are answered."""
    provenance: dict[str, Any]
    """All that the score depends on, except queries and references."""
    fingerprint: str
    """Hash of all that the predictions depend on."""


def evaluation_of(
    benchmark: Benchmark, setting: Setting, view: View, session: Session, queries: Sequence[Query]
) -> Evaluation:
    """The evaluation of a setting's queries in a view."""
    if view == "text-only":
        texts = ["".join(part for part in query.prompt if isinstance(part, str)) for query in queries]
        requests = [Request(query, (x,) if x else (), 0) for query, x in zip(queries, texts, strict=True)]
    else:
        see = black if view == "test-blind" else session.see
        requests = [Request(query, with_images(query.prompt, see), query.shared) for query in queries]
    provenance = {
        **session.provenance,
        **({"template": asdict(benchmark.template)} if benchmark.template else {}),
        **benchmark.ask.provenance(),
        "view": view,
        **setting.facts,
        **setting.provenance,
    }
    name, digest = name_of(benchmark, setting, view), fingerprint(provenance, queries)
    return Evaluation(benchmark, setting, view, session, name, requests, provenance, digest)


def name_of(benchmark: Benchmark, setting: Setting, view: View = "seeing") -> str:
    """The name of an evaluation and its folder: BENCHMARK-SETTING-VIEW."""
    return "-".join(x for x in (benchmark.name, setting.name, view if view != "seeing" else "") if x)


def in_order(name: str, queries: Sequence[Query], session: Session, most: int | None = None) -> list[Query]:
    """The queries that are asked, those of like length together.

    Args:
        name: of the evaluation.
        queries: all of a setting.
        most: so many only, a fair sample.

    Raises:
        UserError: where a query cannot be made; with the name.
    """
    count = number_asked(session, len(queries))
    places = mixed(len(queries))[: count if most is None else min(count, most)]
    try:
        chosen = [queries[place] for place in places]
    except UnreadableImage:
        raise
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    characters = 4 * session.model.k  # that an image counts for
    length = lambda query: sum(len(x) if isinstance(x, str) else characters for x in query.prompt)
    return sorted(chosen, key=lambda query: (length(query), query.id))


def number_asked(session: Session, size: int) -> int:
    """How many of `size` queries the session's limit leaves: whole batches."""
    batches = -(-size // session.batch_size)
    if isinstance(session.limit, int):
        batches = min(batches, session.limit)
    elif session.limit is not None:
        batches = int(batches * session.limit)
    return min(size, batches * session.batch_size)
