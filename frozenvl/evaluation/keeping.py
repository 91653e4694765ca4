"""What an evaluation leaves: scores with their circumstances, predictions, a gallery, answers shown in full."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from frozenvl.data.order import Permutation
from frozenvl.errors import UnreadableImage
from frozenvl.files import write_atomically
from frozenvl.gallery import Tile, as_png, draw_gallery
from frozenvl.metrics.fingerprint import digest
from frozenvl.prompt import Image, Prompt

if TYPE_CHECKING:
    from frozenvl.evaluation.benchmark import Benchmark, Query, Record, Setting
    from frozenvl.evaluation.runner import Context

GALLERY = 12
"""Images drawn."""
FULL = 6
"""Right answers shown with their full prompt, and wrong ones."""
SIDE = 160
"""Longest side of an image in a shown prompt, in pixels."""


def keep(
    benchmark: Benchmark,
    setting: Setting,
    view: str,
    name: str,
    circumstances: dict[str, Any],
    fingerprint: str,
    records: dict[str, Record],
    queries: Mapping[str, Query],
    context: Context,
) -> None:
    """Scores the records of a setting in a view; logs on all ranks, writes and draws on one."""
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
        "view": view,
        "scores": dict(result.scores),
        "intervals": {key: list(ends) for key, ends in result.intervals().items()},
        "baselines": benchmark.baselines(setting),
        "samples": len(records),
        "of": benchmark.size(setting),
        "partial": len(records) < benchmark.size(setting),
        "unreadable": sum("unreadable" in record for record in records.values()),
        "step": context.step,
        "fingerprint": fingerprint,
        **({"supervised_encoder": benchmark.supervised_encoder} if benchmark.supervised_encoder else {}),
        "circumstances": circumstances
        | {"references": digest({key: record["references"] for key, record in records.items()})},
    }
    folder = context.folder / name
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records.values())
    write_atomically(folder / "predictions.jsonl", lines)
    results = benchmark.official({key: record["text"] for key, record in records.items()})
    write_atomically(folder / "results.json", json.dumps(results, ensure_ascii=False) + "\n")
    draw(name, records, queries, context)
    show_in_full(benchmark, name, records, queries, context)
    # Last: whoever finds it finds the others.
    write_atomically(folder / "score.json", json.dumps(score, indent=2, ensure_ascii=False) + "\n")


def draw(name: str, records: Mapping[str, Record], queries: Mapping[str, Query], context: Context) -> None:
    """The gallery, as a PNG and in TensorBoard."""
    readable = [key for key in records if "unreadable" not in records[key]]
    drawn = Permutation(len(readable), "gallery")
    tiles = []
    for place in range(min(GALLERY, len(readable))):
        query = queries[readable[drawn[place]]]
        texts = [f"→ {records[query.id]['text']}"]
        tiles.append(Tile(query.image.read(), texts, query.question, query.references))
    picture = draw_gallery(tiles)
    write_atomically(context.folder / name / "gallery.png", as_png(picture))
    for logger in context.loggers:
        pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
        pixels = pixels.view(picture.height, picture.width, 3)
        logger.experiment.add_image(f"{name}/gallery", pixels, context.step, dataformats="HWC")


def show_in_full(
    benchmark: Benchmark,
    name: str,
    records: Mapping[str, Record],
    queries: Mapping[str, Query],
    context: Context,
) -> None:
    """A few right and wrong answers with their prompts, for the report."""
    folder = context.folder / name
    mixed = Permutation(len(records), "shown")
    keys = list(records)
    rows: list[dict[str, Any]] = []
    number = 0
    for key in (keys[mixed[place]] for place in range(len(keys))):
        record = records[key]
        right = benchmark.right(record)
        alike = sum((row["right"] or 0) >= 0.5 for row in rows) if (right or 0) >= 0.5 else None
        if alike is None:
            alike = sum((row["right"] or 0) < 0.5 for row in rows)
        if "unreadable" in record or alike >= FULL:
            continue
        prompt: list[dict[str, str]] = []
        try:
            for part in queries[key].prompt:
                if isinstance(part, Image):
                    number += 1
                    write_atomically(folder / "shown" / f"{number}.jpg", thumbnail(context.see(part)))
                    prompt.append({"image": f"shown/{number}.jpg"})
                else:
                    prompt.append({"text": part})
        except UnreadableImage:
            continue
        rows.append(
            {
                "id": key,
                "right": right,
                "prompt": prompt,
                "text": record["text"],
                "references": record["references"],
            }
        )
        if len(rows) == 2 * FULL:
            break
    write_atomically(folder / "shown.json", json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def thumbnail(image: Image) -> bytes:
    """A small JPEG."""
    picture = image.read(SIDE).copy()
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def prompt_record(prompt: Prompt) -> list[dict[str, str]]:
    """A prompt as JSON: its images by name."""
    return [{"text": part} if isinstance(part, str) else {"image": part.name} for part in prompt]
