"""Trains a temporal part on the directions of moving scenes, with a linear classifier in place of the language model.

    python experiments/video/classifier.py --shown shuffled

It tells in minutes what a temporal part can see. The encoder and the clips are those of `configs/moving_scenes.yaml`.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from frozenvl.data.scenes.motion import DIRECTIONS
from frozenvl.data.sources.moving_scenes import MovingSceneQuestions
from frozenvl.model.mappers import Linear
from frozenvl.model.temporal import FrameTransformer, MeanOverFrames
from frozenvl.model.views import Views, images_of, indices
from frozenvl.model.vision import TimmEncoder

DIM, BATCH, SEEN = 576, 64, 400
"""Dimension of the vectors (SmolLM2-135M's), clips of a step, and clips of the validation."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shown", default="all", choices=("all", "shuffled", "one"))
    parser.add_argument("--part", default="transformer", choices=("transformer", "mean"))
    parser.add_argument("--steps", type=int, default=120)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    same = {"events": ["move"], "ask": ["direction"], "shown": args.shown}
    train = MovingSceneQuestions("train", 20000, looks=24, **same)
    val = MovingSceneQuestions("val", SEEN, looks=12, **same)
    encoder, kept = TimmEncoder("EfficientNet-Lite0", grid=3).eval(), {}
    reader, rule = encoder.reader(), Views(joint=True)

    @torch.no_grad()
    def features(images: list) -> Tensor:
        for image in images:
            if image not in kept:
                kept[image] = encoder(reader([image]))[0]
        return torch.stack([kept[image] for image in images])

    mapper = Linear(encoder.channels, encoder.tokens, DIM, 1)
    part = FrameTransformer(8) if args.part == "transformer" else MeanOverFrames()
    part.attach(mapper)
    classifier = nn.Linear(DIM, len(DIRECTIONS))

    def logits(examples: list) -> Tensor:
        views = [view for example in examples for view in rule.of(example.image)]
        images = images_of(views)
        return classifier(part(mapper, features(list(images)), *indices(views, images))[:, 0])

    def truth(examples: list) -> Tensor:
        return torch.tensor([DIRECTIONS.index(example.answer) for example in examples])

    rates = [(mapper, 3e-5), (part, 3e-4), (classifier, 3e-4)]
    groups = [{"params": list(module.parameters()), "lr": rate} for module, rate in rates]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=0.01)
    weights = [weight for group in groups for weight in group["params"]]
    clips, start = iter(train), time.process_time()
    for step in range(1, args.steps + 1):
        examples = list(islice(clips, BATCH))
        loss = cross_entropy(logits(examples), truth(examples))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        if step % 20 == 0 or step == args.steps:
            with torch.no_grad():
                right = float((logits(list(val)).argmax(1) == truth(list(val))).float().mean())
            error = 1.96 * (right * (1 - right) / SEEN) ** 0.5
            seconds = time.process_time() - start
            print(
                f"step {step}: loss {loss.item():.3f}, right {right:.1%} ± {error:.1%}, {seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
