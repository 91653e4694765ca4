"""Measures what several sampled captions an image cost in self-critical training, in one run.

`python benchmarks/self_critical.py [CKPT DATA]` samples captions of DATA/flickr8k with a trained run. Without arguments
it samples captions of random features with an untrained prefix, which seldom end before the limit. All sides have the
same prefix vectors, computed before. It prints a table in Markdown: the best of several rounds in which the sides take
turns. Ratios by the processor's time are steadier on a machine that does other work, too.

- one caption: `SelfCritical`'s sampling of one caption of each image.
- n captions: n of each image, whose prompt is read once.
- n captions, prompt read n times: the same captions, each from a prompt of its own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from training_ways import Drawn, build, captions

from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.model.batch import Batch
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.sampling import Sampled, sample_continuations
from frozenvl.model.prefix_cache import PrefixCache
from frozenvl.model.processor import Pixels, Processor
from frozenvl.training.trained_run import load_trained
from frozenvl.util.kernel_cache import limit_kernel_cache
from frozenvl.wording import Template

TARGET = 5 / 3
"""Largest ratio of the time of five captions to the time of one."""


class Sampling:
    """A model, a batch of prompts, and the random numbers of the captions."""

    def __init__(self, model: FrozenVL, batch: Batch, processor: Processor, samples: int, limit: int) -> None:
        self.model, self.batch = model, batch
        self.ends = model.language.end_tokens | {processor.end}
        generator = torch.Generator().manual_seed(0)
        self.numbers = torch.rand(len(batch), samples, limit, generator=generator, dtype=torch.float64)

    @torch.no_grad()
    def captions(self, batch: Batch, numbers: Tensor) -> list[list[Sampled]]:
        """Samples captions of a batch's prompts."""
        model = self.model
        embeddings = model.embeddings(batch, model.run(batch).prefix)
        return sample_continuations(model.language, embeddings, batch.lengths, numbers, self.ends)

    def one(self) -> list[list[Sampled]]:
        """Samples one caption of each image."""
        return self.captions(self.batch, self.numbers[:, :1])

    def shared(self) -> list[list[Sampled]]:
        """Samples all captions of each image; its prompt is read once."""
        return self.captions(self.batch, self.numbers)

    def apart(self) -> list[list[Sampled]]:
        """Samples all captions of each image; each reads the prompt."""
        samples = self.numbers.shape[1]
        rows = torch.arange(len(self.batch)).repeat_interleave(samples)
        flat = self.captions(self.batch.select(rows), self.numbers.flatten(0, 1)[:, None])
        return [[one for (one,) in flat[at : at + samples]] for at in range(0, len(flat), samples)]


class Time(NamedTuple):
    """Seconds of a side."""

    wall: float
    processor: float


def best_times(rounds: int, *sides: Callable[[], list[list[Sampled]]]) -> list[Time]:
    """Returns the best times of each side over rounds in which they take turns."""
    times: list[list[Time]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, found in zip(sides, times, strict=True):
            begun, busy = time.perf_counter(), time.process_time()
            side()
            found.append(Time(time.perf_counter() - begun, time.process_time() - busy))
    return [Time(*(min(column) for column in zip(*found, strict=True))) for found in times]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("checkpoint", type=Path, nargs="?", metavar="CKPT")
    options.add_argument("data", type=Path, nargs="?", metavar="DATA")
    options.add_argument("--images", type=int, default=16)
    options.add_argument("--samples", type=int, default=5)
    options.add_argument("--length", type=int, default=32, help="maximum number of tokens")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    asked = options.parse_args()
    limit_kernel_cache()
    if asked.checkpoint and asked.data:
        flickr = asked.data / "flickr8k"
        source = CocoCaptions(f"{flickr}/annotations/captions_train.json", f"{flickr}/images")
        prompts = [Template().prompt(source[index]) for index in range(asked.images)]
        model = load_trained(asked.checkpoint).module.model.eval()
        if asked.precision == "bf16":
            model.hold_frozen_in_bf16()
        else:
            model.float().low_precision = False
        reader = PrefixCache(model, Pixels(model.vision.size))
        processor = Processor(model.language.name, model.k, reader, bos=model.bos)
    else:
        (samples,) = captions(None, asked.images, 1)
        prompts = [sample.prompt for sample in samples]
        model = build(16, asked.precision == "bf16").eval()
        processor = Processor(model.language.name, model.k, PrefixCache(model, Drawn()), bos=True)
    sampling = Sampling(model, processor(prompts), processor, asked.samples, asked.length)
    found = sampling.shared()  # which also warms up
    lengths = [len(caption.tokens) for each in found for caption in each]
    times = best_times(asked.rounds, sampling.one, sampling.shared, sampling.apart)
    print(f"{asked.images} images, {asked.precision}, threads: {torch.get_num_threads()}, ", end="")
    print(f"{sum(lengths) / len(lengths):.1f} tokens a caption, the longest {max(lengths)}\n")
    print("| | seconds | ratio to one | ratio by CPU time | target |\n|---|---|---|---|---|")
    several = f"{asked.samples} captions an image"
    names = ("one caption an image", several, f"{several}, prompt read {asked.samples} times")
    for name, found, target in zip(names, times, ("", f"{TARGET:.2f}", ""), strict=True):
        ratios = (one / other for one, other in zip(found, times[0], strict=True))
        print("|", " | ".join([name, *(f"{value:.2f}" for value in (found.wall, *ratios)), target]), "|")


if __name__ == "__main__":
    main()
