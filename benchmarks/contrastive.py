"""Benchmarks retrieval: gradient caching against plain micro-batches, embedding against the bare language model.

`python benchmarks/contrastive.py DATA` needs the small language model of `frozenvl fetch`, and the captions of Flickr8k
(DATA/flickr8k). Image features are random, since their values do not change the time. Both sides run in turns; it
prints a table in Markdown. On a shared machine set `OMP_NUM_THREADS=1`.

- Gradient caching: a step of `--pairs` pairs in micro-batches of `--micro`, each compared with all pairs of the step,
  against the same micro-batches that are compared within themselves.
- Embedding: `FrozenVL.embed_texts` of captions and their ranking against images, against transformers' forward pass
  over the same tokens, in batches of equal lengths, so without padding.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor

from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.metrics.retrieval import retrieval_scores
from frozenvl.model.batch import Batch, Stage
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.heads import Retrieval
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import Linear
from frozenvl.model.processor import Processor
from frozenvl.model.vision import TimmEncoder
from frozenvl.objectives import Contrastive
from frozenvl.objectives.objective import count_rows, micro_loss
from frozenvl.objectives.rows import ObjectiveRows
from frozenvl.objectives.step import pass_seed, prepare_step
from frozenvl.prompt import Image, Sample
from frozenvl.util.kernel_cache import limit_kernel_cache


class RandomFeatures:
    """Image reader that gives random features."""

    stage: Stage = "features"

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def __call__(self, images: Sequence[Image]) -> Tensor:
        return torch.randn(len(images), 1, self.channels)


def turns(rounds: int, *sides: Callable[[], object]) -> list[float]:
    """Returns the median seconds of each side, which take turns."""
    took: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, run in enumerate(sides):
            start = time.perf_counter()
            run()
            took[side].append(time.perf_counter() - start)
    return [median(each) for each in took]


def step_times(model: FrozenVL, batches: Sequence[Batch], rounds: int) -> list[float]:
    """Returns the seconds of a step with gradient caching, and of the same micro-batches without it."""
    objectives = dict(model.objectives.items())
    counts = count_rows(objectives, batches)

    def backward(prepared: Sequence[object] | None) -> None:
        for micro, batch in enumerate(batches):
            known = {} if prepared is None else {"contrastive": prepared[micro]}
            run = model.run(batch, seed=pass_seed(0, 0, micro, 0), prepared=known)
            micro_loss(objectives, run, counts).value.backward()
        model.zero_grad()

    where = {"number": 0, "seed": 0, "rank": 0, "world_size": 1}
    cached = lambda: backward(prepare_step(objectives, model, None, batches, **where)["contrastive"].micro)
    return turns(rounds, cached, lambda: backward(None))


def embedding_times(model: FrozenVL, processor: Processor, texts: Sequence[str], rounds: int) -> list[float]:
    """Returns the seconds to embed and rank texts, and of the language model's forward over the same tokens."""
    images = torch.nn.functional.normalize(torch.randn(len(texts) // 5, model.head().dim), dim=1).numpy()
    owners = [[row // 5] for row in range(len(texts))]
    by_length = defaultdict(list)
    for text in texts:
        tokens = processor.encode(text)
        by_length[len(tokens)].append(tokens)
    equal = [torch.tensor(rows[i : i + 64]) for rows in by_length.values() for i in range(0, len(rows), 64)]

    def ours() -> None:
        retrieval_scores((images, model.embed_texts(processor, texts).numpy()), owners)

    @torch.no_grad()
    def bare() -> None:
        for tokens in equal:
            model.language.model.base_model(input_ids=tokens, use_cache=False)

    return turns(rounds, ours, bare)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder that holds flickr8k/")
    parser.add_argument("--pairs", type=int, default=1024, help="pairs of a step (default: 1024)")
    parser.add_argument("--micro", type=int, default=64, help="pairs of a micro-batch (default: 64)")
    parser.add_argument("--captions", type=int, default=5000, help="captions to embed (default: 5000)")
    parser.add_argument("--rounds", type=int, default=2, help="turns of both sides (default: 2)")
    parser.add_argument("--pool", default="marker", choices=("marker", "mean"), help="what the head reads")
    parser.add_argument("--bf16", action="store_true", help="hold frozen weights in bf16")
    args = parser.parse_args()
    limit_kernel_cache()
    torch.manual_seed(0)
    folder = f"{args.data}/flickr8k"
    source = CocoCaptions(f"{folder}/annotations/captions_val.json", f"{folder}/images")
    pairs = [source.pair(index) for index in range(source.pairs)]
    examples = [(source[place], target) for place, target in pairs]
    samples = [Sample(x.id, (x.image,), x.targets[target]) for x, target in examples]
    language, vision = FrozenLanguageModel("SmolLM2-135M-Instruct"), TimmEncoder("EfficientNet-Lite0")
    heads, objectives = {"retrieval": Retrieval(pool=args.pool)}, {"contrastive": Contrastive()}
    model = FrozenVL(language, vision, Linear, 1, objectives=objectives, heads=heads).train()
    if args.bf16:
        model.hold_frozen_in_bf16()
    processor = model.processor(reader=RandomFeatures(vision.channels))
    rows = ObjectiveRows(processor, objectives)
    spread = [samples[index * 7919 % len(samples)] for index in range(args.pairs)]
    batches = [rows(spread[start : start + args.micro]) for start in range(0, args.pairs, args.micro)]
    print("| work | frozenvl, s | baseline, s | ratio | target |\n|---|---|---|---|---|")
    ours, theirs = step_times(model, batches, args.rounds)
    name = f"gradient caching, {args.pairs} pairs in micro-batches of {args.micro}, pool {args.pool}"
    print(f"| {name} | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} | 1.6 |", flush=True)
    texts = [sample.target for sample in samples[: args.captions]]
    ours, theirs = embedding_times(model.eval(), processor, texts, args.rounds)
    print(
        f"| embedding and ranking {len(texts)} captions | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} | 1.15 |"
    )


if __name__ == "__main__":
    main()
