"""What a model says to a batch of queries: generated, or chosen among candidates by likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from frozenvl.data.collate import readable
from frozenvl.evaluation.requests import Evaluation, prompt_record, shown
from frozenvl.evaluation.session import Context
from frozenvl.model.frozen import Continuation
from frozenvl.model.language.loglikelihood import Likelihood
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.prompt import Prompt, Sample
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.evaluation.benchmark import Query, Record


def answer(evaluation: Evaluation, batch: Sequence[Query]) -> dict[str, Record]:
    """The records of a batch by query id; what cannot be read has an empty answer, and its reason."""
    context, benchmark = evaluation.context, evaluation.benchmark
    prompts = {query.id: evaluation.shown(query) for query in batch}
    prompt_cache, rests = begun(evaluation, batch, prompts)
    samples = [Sample(key, rest) for key, rest in rests.items()]
    tensors = readable(samples, lambda rows: context.processor(rows, start=prompt_cache is None))
    said: dict[str, Continuation] = {}
    values: dict[str, list[float]] = {}
    left = [query for query in batch if query.id in set(tensors.ids)]
    if left and left[0].candidates:
        values = weighed(evaluation, left, prompts)
        said = {query.id: likeliest(query, values[query.id]) for query in left}
    elif left:
        texts = context.model.continuations(
            tensors.to(context.model.device),
            context.processor,
            benchmark.max_new_tokens,
            benchmark.template.stop,
            prompt_cache=prompt_cache,
            **benchmark.decoding,
        )
        said = dict(zip(tensors.ids, texts, strict=True))
    reasons = dict(tensors.unreadable)
    nothing = Continuation("", False)
    return {
        query.id: record(
            evaluation,
            query,
            prompts[query.id],
            said.get(query.id, nothing),
            reasons.get(query.id, ""),
            values.get(query.id, []),
        )
        for query in batch
    }


def begun(
    evaluation: Evaluation, batch: Sequence[Query], prompts: Mapping[str, Prompt]
) -> tuple[PromptCache | None, dict[str, Prompt]]:
    """What the prompts of a batch share, read once for all batches, and what is left of each."""
    shared = 0 if evaluation.view == "text-only" else min(query.shared for query in batch)
    prompt_cache = prefilled(prompts[batch[0].id][:shared], evaluation.context) if shared else None
    return prompt_cache, {query.id: prompts[query.id][shared if prompt_cache else 0 :] for query in batch}


def prefilled(prompt: Prompt, context: Context) -> PromptCache | None:
    """Keys and values of a leading part; none where the model cannot share it, or an image is unreadable."""
    known = context.prefilled
    if prompt not in known:
        if len(known) > 1:  # two: a view's, and its blind counterpart's
            known.clear()
        try:
            known[prompt] = context.model.prefill(context.processor, prompt)
        except UserError:  # said, if need be, of the whole prompts
            known[prompt] = None
    return known[prompt]


def weighed(
    evaluation: Evaluation, queries: Sequence[Query], prompts: Mapping[str, Prompt]
) -> dict[str, list[float]]:
    """How likely each candidate of each query is, by the benchmark's measure; by query id."""
    measure = evaluation.benchmark.likelihood
    values = [
        [each.logp / (each.tokens if measure == "mean" else 1) for each in row]
        for row in likelihoods(evaluation, queries, prompts)
    ]
    if measure == "calibrated":
        blind = {q.id: shown(q.prompt, "test-blind", evaluation.context.see) for q in queries}
        values = [
            [value - each.logp for value, each in zip(*rows, strict=True)]
            for rows in zip(values, likelihoods(evaluation, queries, blind), strict=True)
        ]
    return {query.id: row for query, row in zip(queries, values, strict=True)}


def likeliest(query: Query, values: Sequence[float]) -> Continuation:
    """The likeliest candidate, the first of several. It has ended, since nothing follows it."""
    return Continuation(query.candidates[max(range(len(values)), key=values.__getitem__)], True)


def likelihoods(
    evaluation: Evaluation, queries: Sequence[Query], prompts: Mapping[str, Prompt]
) -> list[list[Likelihood]]:
    """How likely each candidate of each query is."""
    context = evaluation.context
    prompt_cache, rests = begun(evaluation, queries, prompts)
    candidates = [query.candidates for query in queries]
    return context.model.rank_candidates(context.processor, list(rests.values()), candidates, prompt_cache)


def renewed(evaluation: Evaluation, query: Query, kept: Record) -> Record:
    """A record with what was said before; its references are those of today."""
    said = Continuation(kept["generated"], kept["ended"])
    reason, values = kept.get("unreadable", ""), kept.get("values", [])
    return record(evaluation, query, evaluation.shown(query), said, reason, values)


def record(
    evaluation: Evaluation,
    query: Query,
    prompt: Prompt,
    said: Continuation,
    unreadable: str,
    values: Sequence[float],
) -> Record:
    """What is kept of a query."""
    return {
        "id": query.id,
        "image": query.image.name,
        "image_id": query.image_id,
        "question": query.question,
        "prompt": prompt_record(prompt),
        "text": evaluation.benchmark.template.answer(said.text),
        "generated": said.text,
        "ended": said.ended,
        "references": list(query.references),
        **({"kind": query.kind} if query.kind else {}),
        **({"scores": query.scores} if query.scores else {}),
        **({"candidates": list(query.candidates)} if query.candidates else {}),
        **({"values": [round(value, 4) for value in values]} if values else {}),
        **({"unreadable": unreadable} if unreadable else {}),
    }
