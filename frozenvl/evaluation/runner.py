"""Runs benchmarks: deals batches to ranks, resumes after an interruption and gathers the answers.

Batches are fixed by position, dealt whole to the ranks and gathered once at the end. So the scores do not depend on the
number of ranks. A rank without queries still takes part in the gather.
"""

from __future__ import annotations

from collections.abc import Sequence

from frozenvl.data.order import evaluation_batches
from frozenvl.evaluation.benchmark import Benchmark, Setting
from frozenvl.evaluation.partial import PartialPredictions
from frozenvl.evaluation.preflight import check_prompts
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.requests import Evaluation, evaluation_of, in_order, name_of, requests_of
from frozenvl.evaluation.results import write_results
from frozenvl.evaluation.session import Session
from frozenvl.util.progress import progress_line


def evaluate(benchmark: Benchmark, setting: Setting, session: Session) -> None:
    """Evaluates a setting in each view: answers its queries, then logs the scores and writes the results.

    Raises:
        UserError: if a prompt cannot be asked; checked before the first query is answered.
    """
    name = name_of(benchmark, setting)
    queries = in_order(name, benchmark.queries(setting), session)
    check_prompts(name, benchmark, queries, session)
    for view in session.views:
        evaluation = evaluation_of(benchmark, setting, view, session, queries)
        blind, reason = session.provenance["blind"], ""
        if not all(request.prompt for request in evaluation.requests):
            reason = "without images its prompts are empty"
        elif blind and view == "test-blind":
            reason = "the run sees black images anyway"
        elif blind or view != "seeing":
            reason = benchmark.ask.needs_images or (benchmark.ask.needs_prefix if view == "text-only" else "")
        if not reason:
            run(evaluation)
        elif session.rank == 0:
            print(f"{evaluation.name}: left out, since {reason}")


def run(evaluation: Evaluation) -> None:
    """Answers the remaining requests batch by batch, then logs the scores and writes the results.

    If the benchmark has further queries, which depend on these answers, they are answered next, until there are none.
    """
    session, benchmark = evaluation.session, evaluation.benchmark
    partial = PartialPredictions(session, evaluation.name, evaluation.fingerprint)
    answered = answer_all(evaluation, evaluation.requests, partial)
    answers = {request.query.id: answer for request, answer in answered}
    further = 0
    while new := [q for q in benchmark.further_queries(evaluation.setting, answers) if q.id not in answers]:
        made = answer_all(evaluation, requests_of(new, evaluation.view, session), partial)
        answered, further = [*answered, *made], further + len(new)
        answers |= {request.query.id: answer for request, answer in made}
    write_results(evaluation, answered, further)


def answer_all(
    evaluation: Evaluation, requests: Sequence[Request], partial: PartialPredictions
) -> list[tuple[Request, Answer]]:
    """Answers the requests that have no answer yet; returns all requests with their answers, sorted by query id."""
    session = evaluation.session
    if reused := sum(request.query.id in partial.known for request in requests) if session.rank == 0 else 0:
        print(f"{evaluation.name}: {reused} of {len(requests)} answers are reused from an earlier run")
    batches = evaluation_batches(requests, session.batch_size)[session.rank :: session.world_size]
    with progress_line(evaluation.name, "batches", session.rank == 0, len(batches)) as progress:
        for done, batch in enumerate(batches, start=1):
            if any(request.query.id not in partial.known for request in batch):
                answers = evaluation.benchmark.ask(batch, session)
                partial.add(list(zip(batch, answers, strict=True)))
            progress(done, len(batches))
    return [*partial.gathered(sorted(requests, key=lambda request: request.query.id))]
