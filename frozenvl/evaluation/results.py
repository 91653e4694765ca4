"""What an evaluation leaves: scores with their circumstances, predictions, a gallery, answers shown in full."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

from frozenvl.data.order import Permutation
from frozenvl.evaluation.partial import as_line
from frozenvl.evaluation.requests import Evaluation
from frozenvl.metrics.fingerprint import digest
from frozenvl.prompt import Image, Prompt
from frozenvl.util.errors import UnreadableImage
from frozenvl.util.files import write_atomically
from frozenvl.util.gallery import Tile, as_png, draw_gallery

if TYPE_CHECKING:
    from frozenvl.evaluation.benchmark import Query, Record

GALLERY = 12
"""Images drawn."""
FULL = 6
"""Right answers shown with their full prompt, and wrong ones."""
SIDE = 160
"""Longest side of an image in a shown prompt, in pixels."""


def keep(evaluation: Evaluation, records: dict[str, Record]) -> None:
    """Scores the records of an evaluation, by query id; logs on all ranks, writes and draws on one."""
    benchmark, setting, context = evaluation.benchmark, evaluation.setting, evaluation.context
    name, size = evaluation.name, benchmark.size(setting)
    result = benchmark.score(setting, records)
    for key, value in result.scores.items():
        context.log(f"{name}/{key}", value)
    if context.rank:
        return
    score = {
        "name": name,
        "benchmark": benchmark.name,
        "protocol": benchmark.protocol,
        "main": benchmark.main,
        "setting": setting.facts,
        "view": evaluation.view,
        "scores": dict(result.scores),
        "intervals": {key: list(ends) for key, ends in result.intervals().items()},
        "baselines": benchmark.baselines(setting),
        "samples": len(records),
        "of": size,
        "partial": len(records) < size,
        "unreadable": sum("unreadable" in record for record in records.values()),
        "step": context.step,
        "fingerprint": evaluation.fingerprint,
        **({"supervised_encoder": benchmark.supervised_encoder} if benchmark.supervised_encoder else {}),
        "circumstances": evaluation.circumstances
        | {"references": digest({key: record["references"] for key, record in records.items()})},
    }
    folder = context.folder / name
    write_atomically(folder / "predictions.jsonl", "".join(map(as_line, records.values())))
    results = benchmark.official({key: record["text"] for key, record in records.items()})
    write_atomically(folder / "results.json", json.dumps(results, ensure_ascii=False) + "\n")
    draw(evaluation, records)
    show_in_full(evaluation, records)
    if score["unreadable"]:
        print(
            f"{name}: {score['unreadable']} of {len(records)} prompts could not be read and count as wrong; "
            f"{folder / 'predictions.jsonl'} says why",
            file=sys.stderr,
        )
    # Last: whoever finds it finds the others.
    write_atomically(folder / "score.json", json.dumps(score, indent=2, ensure_ascii=False) + "\n")


def draw(evaluation: Evaluation, records: Mapping[str, Record]) -> None:
    """The gallery, as a PNG and in TensorBoard."""
    context, tiles = evaluation.context, []
    black = evaluation.view == "test-blind" or context.facts["blind"]
    seen = ["(the model saw black)"] if black else []
    if evaluation.view == "text-only":
        seen = ["(the model saw no image)"]
    for query in in_mixed_order(evaluation, records, "gallery"):
        try:
            picture = query.image.read()
        except UnreadableImage:  # where a view did not look at it
            continue
        text = " ".join(records[query.id]["text"].split())  # ends of lines that no font can draw
        right = evaluation.benchmark.right(records[query.id])
        mark = "" if right is None else "✓ " if right >= 0.5 else "✗ "
        tiles.append(Tile(picture, [f"{mark}→ {text}", *seen], query.question, query.references))
        if len(tiles) == GALLERY:
            break
    sheet = draw_gallery(tiles)
    write_atomically(context.folder / evaluation.name / "gallery.png", as_png(sheet))
    for logger in context.loggers:
        pixels = torch.frombuffer(bytearray(sheet.tobytes()), dtype=torch.uint8)
        pixels = pixels.view(sheet.height, sheet.width, 3)
        logger.experiment.add_image(f"{evaluation.name}/gallery", pixels, context.step, dataformats="HWC")


def show_in_full(evaluation: Evaluation, records: Mapping[str, Record]) -> None:
    """A few right and wrong answers with their prompts, as they were shown, for the report."""
    folder = evaluation.context.folder / evaluation.name
    rows: list[dict[str, Any]] = []
    found = {True: 0, False: 0}
    for query in in_mixed_order(evaluation, records, "shown"):
        record = records[query.id]
        right = evaluation.benchmark.right(record)
        alike = right is not None and right >= 0.5
        if found[alike] == FULL:
            continue
        try:
            prompt, pictures = in_full(evaluation.shown(query), len(rows) + 1)
        except UnreadableImage:
            continue
        found[alike] += 1
        for file, picture in pictures.items():
            write_atomically(folder / file, picture)
        said = {"text": record["text"], "references": record["references"]}
        rows.append({"id": query.id, "right": right, "prompt": prompt, **said})
        if len(rows) == 2 * FULL:
            break
    write_atomically(folder / "shown.json", json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def in_mixed_order(evaluation: Evaluation, records: Mapping[str, Record], purpose: str) -> Iterator[Query]:
    """The queries that were readable, in a fixed mixed order."""
    queries = {query.id: query for query in evaluation.queries}
    keys = [key for key, record in records.items() if "unreadable" not in record]
    order = Permutation(len(keys), purpose)
    return (queries[keys[order[place]]] for place in range(len(keys)))


def in_full(prompt: Prompt, number: int) -> tuple[list[dict[str, str]], dict[str, bytes]]:
    """The `number`-th shown prompt as JSON, and its images by file."""
    parts: list[dict[str, str]] = []
    pictures: dict[str, bytes] = {}
    for part in prompt:
        if isinstance(part, str):
            parts.append({"text": part})
        else:
            file = f"shown/{number}-{len(pictures) + 1}.jpg"
            pictures[file] = thumbnail(part)
            parts.append({"image": file})
    return parts, pictures


def thumbnail(image: Image) -> bytes:
    """A small JPEG."""
    picture = image.read(SIDE).copy()
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
