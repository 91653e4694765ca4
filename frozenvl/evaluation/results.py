"""Writes the results of an evaluation: scores, predictions, a gallery, and a few answers with their full prompts."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from frozenvl.data.order import Permutation
from frozenvl.evaluation.partial import FILES, Answered, row_of
from frozenvl.evaluation.query import Answer, Request
from frozenvl.evaluation.requests import Evaluation
from frozenvl.evaluation.score_file import Score, write_score
from frozenvl.metrics.fingerprint import digest
from frozenvl.prompt import Delimiter, Image, Prompt
from frozenvl.util.errors import UnreadableImage
from frozenvl.util.files import as_line, write_atomically
from frozenvl.util.gallery import as_png, draw_gallery
from frozenvl.util.trackers import log_image

MAX_SHOWN = 6
"""Largest number of right answers, and of wrong answers, that are written with their full prompts."""
SIDE = 160
"""Longest side of a thumbnail in a written prompt, in pixels."""


def write_results(evaluation: Evaluation, answered: Answered, further: int = 0) -> None:
    """Scores the answers and logs the scores on all ranks; writes files on rank 0.

    Args:
        answered: requests with their answers, sorted by query id; further ones come last.
        further: number of further queries that were asked.
    """
    benchmark, setting, session = evaluation.benchmark, evaluation.setting, evaluation.session
    name = evaluation.name
    answers = {request.query.id: answer for request, answer in answered}
    result = benchmark.score(setting, answers)
    for key, value in result.scores.items():
        session.log(f"{name}/{key}", value)
    if session.rank:
        return
    rights = {key: benchmark.right(answer) for key, answer in answers.items()}
    baselines = benchmark.baselines(setting)
    official = benchmark.results(answers)
    folder, size = session.folder / name, len(benchmark.queries(setting)) + further
    rows = [row_of(request, answer) for request, answer in answered]
    write_atomically(folder / "predictions.jsonl", "".join(map(as_line, rows)))
    if official:
        write_atomically(folder / "results.json", json.dumps(official, ensure_ascii=False) + "\n")
    draw_answers(evaluation, answers)
    if benchmark.ask.gives_text:
        show_answers(evaluation, answered, rights)
    if unreadable := sum(bool(answer.unreadable) for answer in answers.values()):
        print(
            f"{name}: {unreadable} of {len(answers)} prompts could not be read and count as wrong; "
            f"{folder / 'predictions.jsonl'} gives the reasons",
            file=sys.stderr,
        )
    references = {key: answer.query.references for key, answer in answers.items()}
    score = Score(
        name=name,
        benchmark=benchmark.name,
        protocol=benchmark.protocol,
        metrics=tuple(benchmark.metrics),
        setting=setting.facts,
        view=evaluation.view,
        scores=dict(result.scores),
        intervals=dict(result.intervals()),
        baselines=baselines,
        samples=len(answers),
        of=size,
        partial=len(answers) < size,
        unreadable=unreadable,
        step=session.step,
        fingerprint=evaluation.fingerprint,
        supervised_encoder=benchmark.supervised_encoder,
        provenance=evaluation.provenance | benchmark.scored_by(setting) | {"references": digest(references)},
        notes=list(getattr(result, "notes", ())),
    )
    # Written last: its presence means that the evaluation is complete.
    write_score(folder / "score.json", score)
    for path in folder.glob(FILES) if session.resumable else ():
        path.unlink()


def draw_answers(evaluation: Evaluation, answers: Mapping[str, Answer]) -> None:
    """Draws the benchmark's gallery of answers, given by query id, as a PNG file and in the run's loggers.

    A benchmark whose answers are no texts may draw none.
    """
    session, benchmark = evaluation.session, evaluation.benchmark
    black = evaluation.view == "test-blind" or session.provenance["blind"]
    notes = ["(the model saw black)"] if black else []
    if evaluation.view == "text-only":
        notes = ["(the model saw no image)"]
    drawn = benchmark.tiles(evaluation.setting, answers)
    tiles = [replace(tile, texts=[*tile.texts, *notes]) for tile in drawn]
    if not tiles and not benchmark.ask.gives_text:
        return
    png = as_png(draw_gallery(tiles))
    write_atomically(session.folder / evaluation.name / "gallery.png", png)
    for logger in session.loggers:
        log_image(logger, f"{evaluation.name}/gallery", png, session.step)


def show_answers(evaluation: Evaluation, answered: Answered, rights: Mapping[str, float | None]) -> None:
    """Writes a few right and wrong answers with the prompts that the model saw to shown.json, for the report."""
    folder = evaluation.session.folder / evaluation.name
    rows: list[dict[str, Any]] = []
    counts = {True: 0, False: 0}
    for request, answer in in_mixed_order(answered, "shown"):
        right = rights[request.query.id]
        is_right = right is not None and right >= 0.5
        if counts[is_right] == MAX_SHOWN:
            continue
        try:
            prompt, pictures = with_thumbnails(request.prompt, len(rows) + 1)
        except UnreadableImage:
            continue
        counts[is_right] += 1
        for file, picture in pictures.items():
            write_atomically(folder / file, picture)
        texts = {"text": answer.text, "references": list(request.query.references)}
        rows.append({"id": request.query.id, "right": right, "prompt": prompt, **texts})
        if len(rows) == 2 * MAX_SHOWN:
            break
    write_atomically(folder / "shown.json", json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def in_mixed_order(answered: Answered, purpose: str) -> Iterator[tuple[Request, Answer]]:
    """Returns the answers to readable prompts, shuffled with a fixed seed (`purpose`)."""
    readable = [pair for pair in answered if not pair[1].unreadable]
    return (readable[place] for place in Permutation(len(readable), purpose))


def with_thumbnails(prompt: Prompt, number: int) -> tuple[list[dict[str, str]], dict[str, bytes]]:
    """Returns the `number`-th written prompt as JSON, and the content of its thumbnails by file name."""
    parts: list[dict[str, str]] = []
    pictures: dict[str, bytes] = {}
    for part in prompt:
        if isinstance(part, str):
            parts.append({"text": part})
        elif isinstance(part, Image):
            for frame in part.frames:
                file = f"shown/{number}-{len(pictures) + 1}.jpg"
                pictures[file] = thumbnail(frame)
                parts.append({"image": file})
        elif isinstance(part, Delimiter):  # a border of the chat template is shown as a line end
            lines = {"opening": part.text and part.text + "\n", "reply": "\n", "next": "\n"}
            parts += [{"text": text}] if (text := lines.get(part.border)) else []
    return parts, pictures


def thumbnail(image: Image) -> bytes:
    """Returns a small JPEG of an image, at most `SIDE` pixels wide and high."""
    picture = image.read(SIDE).copy()
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
