"""Benchmarks fusions against concatenation of 4 vectors, at equal trained parameters: training steps and generation.

`python benchmarks/fusion.py DATA [--compiled]` trains on captions of DATA/flickr8k, five for each image (without DATA,
on captions of rendered scenes), and generates after one image for each prompt. It needs the small language model of
`frozenvl fetch`. Random features of 7 × 7 cells replace an encoder. The fusions, at the sizes of
`experiments/fusion/flickr8k.yaml`, take turns. It prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from training_ways import CHANNELS, LANGUAGE, NoEncoder, captions, here

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.fusion import Add, Concat, CrossAttention, Fusion, LayerPrefix, Multiply
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.decoding import greedy
from frozenvl.model.mappers import PatchLinear, Resampler
from frozenvl.model.processor import Processor
from frozenvl.prompt import Image, ImageFile, Sample
from frozenvl.util.progress import progress_line

CELLS = 49
LAYERS = list(range(0, 30, 4))
TURN = 3
"""Number of steps in a turn. The first is not counted."""

small, large = partial(Resampler, layers=1, ratio=1.1), partial(Resampler, layers=1, ratio=2.0)
SIDES: dict[str, tuple[Callable[..., nn.Module], int, Callable[[], Fusion]]] = {
    "concat, k = 4": (large, 4, Concat),
    "concat, k = 16": (large, 16, Concat),
    "add": (small, 4, lambda: Add(LAYERS, width=64)),
    "multiply": (small, 4, lambda: Multiply(LAYERS, width=64)),
    "cross-attention": (PatchLinear, CELLS, lambda: CrossAttention(every=4, heads=2, width=64, ratio=0.3)),
    "layer prefix": (small, 16, lambda: LayerPrefix(width=48)),
}


class Cells:
    """Image reader that returns the same random features for every image: (N, 49, CHANNELS)."""

    stage = "features"

    def __call__(self, images: Sequence[Image]) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.randn(1, CELLS, CHANNELS, generator=generator).expand(len(images), -1, -1)


class Grid(NoEncoder):
    """Encoder without weights, with 7 × 7 cells."""

    tokens = CELLS


def build(side: str, half: bool, compiled: bool) -> FrozenVL:
    """Returns the model of a side, with gates that are open."""
    mapper, k, fusion = SIDES[side]
    torch.manual_seed(0)
    model = FrozenVL(FrozenLanguageModel(LANGUAGE), Grid(), mapper, k, bos=True, fusion=fusion())  # type: ignore[arg-type]
    with torch.no_grad():
        for name, weight in model.fusion.named_parameters():
            if name.endswith("gate"):
                weight.fill_(0.01)
    if half:
        model.hold_frozen_in_bf16()
    if compiled:
        model.language.compile_layers()
    return model


def made(model: FrozenVL) -> Processor:
    return model.processor(64, Cells())


def train(model: FrozenVL, batches: Sequence[Sequence[Sample]]) -> Iterator[float]:
    """Trains on batches, and yields the seconds of each step."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-4)
    for batch in map(made(model), batches):
        start = time.perf_counter()
        here(model, batch).backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield time.perf_counter() - start


@torch.no_grad()
def generation(model: FrozenVL, prompts: int, length: int) -> float:
    """Returns the seconds of `length` greedy tokens after each prompt; no text ends before."""
    batch = made(model)([(ImageFile(Path(str(number))),) for number in range(prompts)])
    start = time.perf_counter()
    run = model.run(batch)
    inputs = model.embeddings(batch, run.prefix)
    seen = model.conditioning(batch, run.conditioner)
    greedy(model.language, inputs, batch.lengths, length, lambda ids: False, (), None, seen)
    return time.perf_counter() - start


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("data", type=Path, nargs="?", metavar="DATA")
    options.add_argument("--compiled", action="store_true", help="train with model.compile")
    options.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    options.add_argument("--batch", type=int, default=65, help="captions in a training step")
    options.add_argument("--steps", type=int, default=9)
    options.add_argument("--prompts", type=int, default=100, help="prompts in a batch of generation")
    options.add_argument("--length", type=int, default=24, help="tokens of a generated text")
    options.add_argument("--rounds", type=int, default=3, help="rounds of generation")
    asked = options.parse_args()
    batches = captions(asked.data, asked.batch, asked.steps, by_image=True)
    print(f"batch {asked.batch}, {asked.precision}, threads: {torch.get_num_threads()}", end="")
    print(f"{', compiled' if asked.compiled else ''}, {asked.steps} steps; {asked.prompts} prompts\n")
    models = {side: build(side, asked.precision == "bf16", asked.compiled) for side in SIDES}
    runs = {side: train(model, batches) for side, model in models.items()}
    steps: dict[str, list[float]] = {side: [] for side in SIDES}
    texts: dict[str, list[float]] = {side: [] for side in SIDES}
    turns = asked.steps // TURN
    with progress_line("training steps, in turns") as done:
        for turn in range(turns):
            for side, run in runs.items():
                steps[side] += [next(run) for _ in range(TURN)][1:]
            done(turn + 1, turns)
    with progress_line("generation, in rounds") as done:
        for turn in range(asked.rounds):
            for side, model in models.items():
                texts[side].append(generation(model, asked.prompts, asked.length))
            done(turn + 1, asked.rounds)
    print("| fusion | trained | s per step (median) | relative | s of generation (median) | relative |")
    print("|---|--:|--:|--:|--:|--:|")
    first = next(iter(SIDES))
    step, text = ({side: statistics.median(took[side]) for side in SIDES} for took in (steps, texts))
    for side, model in models.items():
        trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        cells = [side, f"{trained / 1e6:.2f}M", f"{step[side]:.2f}", f"{step[side] / step[first]:.2f}"]
        cells += [f"{text[side]:.2f}", f"{text[side] / text[first]:.2f}"]
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
