"""Runs a benchmark: which queries a rank takes, going on after an interruption, gathering.

Batches are fixed by position and dealt whole to the ranks, and gathered once at the end. So the number of ranks
changes nothing, and a rank without a query still takes part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from frozenvl.evaluation.asks.answer import answer, renewed
from frozenvl.evaluation.partial import Parts
from frozenvl.evaluation.requests import Evaluation, asked, check_length, name_of
from frozenvl.evaluation.results import keep
from frozenvl.evaluation.session import Context
from frozenvl.training.datamodule import evaluation_batches
from frozenvl.util.distributed import gather
from frozenvl.util.progress import progress_line

if TYPE_CHECKING:
    from frozenvl.evaluation.benchmark import Benchmark, Record, Setting


def evaluate(benchmark: Benchmark, setting: Setting, context: Context) -> None:
    """Asks a setting's queries in each view; scores, logs, writes and draws.

    Raises:
        UserError: before the first is answered, where a prompt is too long; naming the benchmark.
    """
    queries = asked(benchmark, setting, context)
    check_length(name_of(benchmark, setting), benchmark, context, queries)
    for view in context.views:
        evaluation = Evaluation(benchmark, setting, view, context, queries)
        if reason := pointless(evaluation):
            if context.rank == 0:
                print(f"{evaluation.name}: left out, since {reason}")
        else:
            run(evaluation)


def pointless(evaluation: Evaluation) -> str:
    """Why a view of a benchmark says nothing; empty where it does."""
    blind = evaluation.context.facts["blind"]
    if not all(evaluation.shown(query) for query in evaluation.queries):
        return "without images its prompts are empty"
    if blind and evaluation.view == "test-blind":
        return "the run sees black images anyway"
    if evaluation.benchmark.likelihood == "calibrated" and (blind or evaluation.view != "seeing"):
        return "likelihoods less those on black images say nothing where nothing else is seen"
    return ""


def run(evaluation: Evaluation) -> None:
    """Answers what is not answered yet, batch by batch; then scores, writes and draws."""
    context, queries = evaluation.context, evaluation.queries
    parts = Parts(context, evaluation.name, evaluation.fingerprint)
    records: dict[str, Record] = dict(parts.known)
    if known := sum(query.id in records for query in queries) if context.rank == 0 else 0:
        print(f"{evaluation.name}: {known} of {len(queries)} answers are kept from before")
    mine = evaluation_batches(queries, context.batch_size)[context.rank :: context.world_size]
    with progress_line(evaluation.name, context.rank == 0, len(mine)) as progress:
        for done, batch in enumerate(mine, start=1):
            if any(query.id not in records for query in batch):
                parts.add(answer(evaluation, batch))
            progress(done, len(mine))
    for part in gather(parts.mine):
        records |= part
    by_id = sorted(queries, key=lambda query: query.id)
    keep(evaluation, {query.id: renewed(evaluation, query, records[query.id]) for query in by_id})
    parts.remove()
