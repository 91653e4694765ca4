"""Checks of benchmarks before anything runs: names, prompt lengths, references and images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from frozenvl.evaluation.asks import Ask, Generate
from frozenvl.evaluation.benchmark import Benchmark, Setting
from frozenvl.evaluation.query import Query
from frozenvl.evaluation.requests import in_order, name_of, number_asked
from frozenvl.evaluation.score_file import read_score
from frozenvl.evaluation.session import Session
from frozenvl.metrics.metric import main_of
from frozenvl.model.chat_template import Special
from frozenvl.prompt import Image, Marker
from frozenvl.util.errors import UnreadableImage, UserError

MIN_READABLE_AMONG = 20
"""Number of queries that are read; at least one of them must be readable."""
MAX_QUERIES_CHECKED = 1000
"""Largest number of queries of a setting that are checked."""
MAX_QUERIES_TOKENIZED = 32
"""Largest number of queries whose tokens are counted: the longest ones by characters."""


def refuse_twins(benchmarks: Iterable[Benchmark]) -> None:
    """Raises `UserError` if two evaluations have the same name: the second would overwrite the first."""
    names = Counter(
        name_of(benchmark, setting) for benchmark in benchmarks for setting in benchmark.settings()
    )
    if twins := [name for name, times in names.items() if times > 1]:
        raise UserError(
            f"two evaluations are called {twins[0]}; ask for each number of shots, seed, induction and number of "
            "repeats once, and run benchmarks of one kind on one task by `frozenvl evaluate`, which names them"
        )


def check(benchmark: Benchmark, setting: Setting, session: Session) -> None:
    """Checks a sample of a setting's queries before anything runs.

    Raises:
        UserError: if the setting cannot be evaluated.
    """
    name = name_of(benchmark, setting)
    try:
        main_of(benchmark.metrics)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from None
    all_queries = benchmark.queries(setting)
    size = len(all_queries)
    if not size:
        raise UserError(f"{name}: has no queries; give it a source that is not empty")
    queries = in_order(name, all_queries, session, MAX_QUERIES_CHECKED)
    if not queries:  # validation is switched off
        return
    check_prompts(name, benchmark, queries, session)
    if session.resumable and number_asked(session, size) < size:
        refuse_to_replace_whole(benchmark, setting, session)
    for query in queries if benchmark.ask.gives_text else ():
        if not query.references and not query.scores:
            raise UserError(
                f"{name}: query {query.id} has no answer to score against; add its references, or leave it out"
            )
    for image in queries[0].prompt[: queries[0].shared]:
        if isinstance(image, Image) and (reason := unreadable(image, session)):
            raise UserError(f"{name}: all its queries share an image that cannot be read: {reason}")
    if all(reasons := list(unreadable_prompts(queries[:MIN_READABLE_AMONG], session))):
        raise UserError(f"{name}: none of its first {len(reasons)} prompts can be read: {reasons[0]}")


def check_prompts(name: str, benchmark: Benchmark, queries: Sequence[Query], session: Session) -> None:
    """Raises `UserError` if prompts are too long, or template or decoding do not suit the language model.

    Args:
        name: name of the evaluation, for the error message.
        benchmark: benchmark of the queries.
        queries: queries sorted by length.
        session: the model and its settings.
    """
    check_length(name, benchmark.ask, queries, session)
    template = benchmark.template
    try:
        benchmark.ask.wording(session)  # it may need an embedding head
        benchmark.ask.check(session)
        if template is None:
            return
        session.plain.check_template(template)
        # Candidates are checked when they are ranked. What is generated has to be split as a target would be.
        for query in queries[-MAX_QUERIES_TOKENIZED:] if isinstance(benchmark.ask, Generate) else ():
            for reference in [*query.references, *query.scores][:1]:
                target = template.target.format(target=reference)
                session.plain.candidates(query.prompt, [target])
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def check_length(name: str, ask: Ask, queries: Sequence[Query], session: Session) -> None:
    """Raises `UserError` if a prompt with its answer takes more positions than the model has.

    Args:
        name: name of the evaluation, for the error message.
        queries: queries sorted by length; the last ones are tokenised.
    """
    language, plain = session.model.language, session.plain
    limit, before = language.max_positions, language.soft_prompt_length + len(plain.start)
    if limit is None:
        return
    longest = 0
    for query in queries[-MAX_QUERIES_TOKENIZED:]:
        parts = [positions_of(part, session) for part in plain.worded(query.prompt)]
        answer = max((len(plain.encode(text)) for text in query.candidates), default=ask.max_new_tokens)
        longest = max(longest, before + sum(parts) + answer)
    if longest > limit:
        raise UserError(
            f"{name}: its longest prompt takes {longest} positions with the answer, "
            f"{language.name} has {limit}; ask for fewer shots, repeats or frames, or a smaller k"
        )


def positions_of(part: str | Image | Marker | Special, session: Session) -> int:
    """Returns the largest number of positions that a part of a prompt takes."""
    if isinstance(part, str):
        return len(session.plain.encode(part))
    return session.model.k * session.plain.views.most(part) if isinstance(part, Image) else 1


def refuse_to_replace_whole(benchmark: Benchmark, setting: Setting, session: Session) -> None:
    """Raises `UserError` if a partial score (`--limit`) would replace a complete one."""
    for view in session.views:
        folder = session.folder / name_of(benchmark, setting, view)
        with suppress(UserError):  # there is no score.json, or it cannot be read
            if not read_score(folder / "score.json").partial:
                break
    else:
        return
    raise UserError(
        f"{folder}: holds the score of all its queries, which --limit would replace by a partial score; move the "
        "folder away, or leave --limit out"
    )


def unreadable_prompts(queries: Sequence[Query], session: Session) -> Iterator[str]:
    """Yields the reason why each prompt cannot be read. Stops after the first readable prompt, with "" for it."""
    for query in queries:
        images = (part for part in query.prompt if isinstance(part, Image))
        reason = next(filter(None, (unreadable(image, session) for image in images)), "")
        yield reason
        if not reason:
            return


def unreadable(image: Image, session: Session) -> str:
    """Returns the reason why an image cannot be read, as the session shows it; "" if it can be read."""
    try:
        session.plain.reader(image.changed(session.see).frames)
    except UnreadableImage as error:
        return str(error)
    return ""
