"""Benchmarks training on conversations against single questions: question–answer pairs per second of a training step.

`python benchmarks/dialogue.py DATA` trains on DAQUAR's questions in DATA/daquar; without DATA, on questions about
rendered scenes. It needs the small language model of `frozenvl fetch`. Random features replace an encoder. Three ways
take turns: single questions in mixed order, single questions with those of an image together (which share its prefix),
and all questions of an image joined into one conversation. It prints a table in Markdown. Seconds of this process's CPU
stand beside those of the clock, since another program takes time of the clock only.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn
from training_ways import build, here, processor

from frozenvl.data.sources.joined import Joined
from frozenvl.data.sources.scenes import SceneQuestions
from frozenvl.data.sources.source import Source
from frozenvl.data.sources.vqa import VQAQuestions
from frozenvl.data.stream import Task, TrainingStream
from frozenvl.model.frozen import FrozenVL
from frozenvl.prompt import Learned, Sample
from frozenvl.util.progress import progress_line
from frozenvl.wording import VQA, Template

SINGLE, GROUPED, JOINED = "single questions, mixed", "single questions, by image", "conversations"


def questions(data: Path | None) -> Source:
    """Returns the questions that are trained on."""
    if data is None:
        return SceneQuestions("train")
    files = {name: f"{data}/daquar/daquar_{name}.json" for name in ("questions", "annotations")}
    images = f"{data}/daquar/images"
    return VQAQuestions(**files, images=images, image_name="image{image_id}.jpg", part="train", ask_share=0.2)


def pairs_of(samples: Sequence[Sample]) -> int:
    """Returns the number of answers that are trained on."""
    return sum(1 + sum(isinstance(part, Learned) for part in sample.prompt) for sample in samples)


def batches_of(source: Source, template: Template, size: int, steps: int) -> dict[str, list[list[Sample]]]:
    """Returns the batches of each way. A batch has about `size` pairs; whole conversations in the last way.

    Args:
        source: questions.
        template: wording of the questions.
        size: number of pairs in a batch.
        steps: number of batches.
    """
    joined = Joined(source)
    per_image = len(source) / len(joined)
    rows = max(1, round(size / per_image))
    streams = {
        SINGLE: (TrainingStream({"questions": Task(source, template)}, seed=0), size),
        GROUPED: (TrainingStream({"questions": Task(source, template)}, seed=0, by_image=True), size),
        JOINED: (TrainingStream({"questions": Task(joined, template)}, seed=0), rows),
    }
    print(f"{len(source):,} questions about {len(joined):,} images ({per_image:.1f} each)")
    return {
        way: [[stream[step * count + row] for row in range(count)] for step in range(steps)]
        for way, (stream, count) in streams.items()
    }


def train(model: FrozenVL, batches: Sequence[Sequence[Sample]], k: int) -> Iterator[tuple[int, float, float]]:
    """Trains the mapper, and yields the pairs, the seconds and the CPU seconds of each step."""
    weights = [*model.mapper.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=1e-4)
    made = processor(k)
    for samples in batches:
        start, busy = time.perf_counter(), time.process_time()
        here(model, made(samples)).backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield pairs_of(samples), time.perf_counter() - start, time.process_time() - busy


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path, nargs="?", metavar="DATA")
    options.add_argument("--k", type=int, default=16, help="positions of an image")
    options.add_argument("--pairs", type=int, default=34, help="pairs in a training step")
    options.add_argument("--steps", type=int, default=9, help="steps of each way; the first is not counted")
    options.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    asked = options.parse_args()
    print(f"k = {asked.k}, {asked.precision}, {asked.pairs} pairs a step, {asked.steps} steps, ", end="")
    print(f"threads: {torch.get_num_threads()}")
    batches = batches_of(questions(asked.data), VQA, asked.pairs, asked.steps)
    models = {way: build(asked.k, asked.precision == "bf16") for way in batches}
    runs = {way: train(models[way], batches[way], asked.k) for way in batches}
    took: dict[str, list[tuple[int, float, float]]] = {way: [] for way in batches}
    with progress_line("training steps, in turns") as done:
        for step in range(asked.steps):
            for way, run in runs.items():
                took[way].append(next(run))
            done(step + 1, asked.steps)
    print("\n| questions | pairs per s | ratio | pairs per s of CPU | ratio |")
    print("|---|--:|--:|--:|--:|")
    sums = {way: [sum(column) for column in zip(*rows[1:], strict=True)] for way, rows in took.items()}
    rates = {way: (pairs / wall, pairs / cpu) for way, (pairs, wall, cpu) in sums.items()}
    for way, both in rates.items():
        cells = (f"{rate:.2f} | {rate / base:.2f}" for rate, base in zip(both, rates[SINGLE], strict=True))
        print("|", " | ".join([way, *cells]), "|")


if __name__ == "__main__":
    main()
