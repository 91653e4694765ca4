"""Judges drawn pictures of one-object scenes: does a classifier of other renderings see their colour and shape?

    python experiments/drawing/judge.py runs/draw/evaluation/drawing

It needs no data: the classifier is trained on scenes of another seed. Beside the drawn pictures it judges what bounds
them: the same scenes behind the autoencoder (the evaluation `reconstruction` beside the first), other rendered scenes,
the images of the training set whose captions share the most words (retrieval), and the mean training image.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from frozenvl.data.scenes.description import COLOURS, SHAPES
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.metrics.pictures import mean_scores
from frozenvl.util.gallery import decoded_picture

SCENES = {
    "resolution": 64,
    "max_groups": 1,
    "max_count": 1,
    "sizes": ["large"],
    "per_image": 1,
    "wordings": 1,
}
JUDGE_SEED = 100
"""Seed of the scenes that the classifier is trained on. The drawing head is trained on those of seed 0."""


def attributes(caption: str) -> tuple[int, int]:
    """Returns the numbers of the colour and of the shape that a caption names."""
    words = caption.replace(",", " ").replace(".", " ").split()
    (colour,), (shape,) = ([kind.index(word) for word in words if word in kind] for kind in (COLOURS, SHAPES))
    return colour, shape


def scenes(size: int, seed: int, split: str = "train") -> tuple[Tensor, list[str]]:
    """Returns pixels (size, 64, 64, 3), uint8, and captions of scenes."""
    source = SceneCaptions(split, size, seed, **SCENES)
    examples = [source[index] for index in range(size)]
    pixels = np.stack([np.asarray(example.image.read()) for example in examples])
    return torch.tensor(pixels), [example.references[0] for example in examples]


def predictions(evaluation: Path) -> dict[str, dict[str, Any]]:
    """Returns the rows of an evaluation's predictions by their ids."""
    lines = (evaluation / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def pictures_of(rows: Iterable[dict[str, Any]]) -> Tensor:
    """Returns the pictures (n, 64, 64, 3), uint8, of predictions."""
    return torch.tensor(np.stack([decoded_picture(row["picture"]) for row in rows]))


class Judge(nn.Module):
    """Small convolutional classifier of colour and shape."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 96), (96, 128)):
            layers += [
                nn.Conv2d(before, after, 3, padding=1),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.body = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.colour, self.shape = nn.Linear(128, len(COLOURS)), nn.Linear(128, len(SHAPES))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the logits of colours and of shapes for pixels (n, 64, 64, 3), uint8."""
        states = self.body(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)
        return self.colour(states), self.shape(states)


def trained(steps: int) -> Judge:
    """Trains the classifier on scenes of its own seed."""
    torch.manual_seed(0)
    pixels, captions = scenes(6000, JUDGE_SEED)
    truth = torch.tensor([attributes(caption) for caption in captions])
    judge = Judge()
    optimizer = torch.optim.AdamW(judge.parameters(), 3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randint(len(pixels), (64,), generator=generator)
        colour, shape = judge(pixels[rows])
        loss = nn.functional.cross_entropy(colour, truth[rows, 0]) + nn.functional.cross_entropy(
            shape, truth[rows, 1]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return judge.eval()


@torch.no_grad()
def judged(judge: Judge, pictures: Tensor, captions: Sequence[str]) -> Mapping[str, np.ndarray]:
    """Returns whether (pictures,) the classifier sees the colour, the shape, and both of each caption, in percent."""
    colour, shape = (logits.argmax(1) for logits in judge(pictures))
    truth = torch.tensor([attributes(caption) for caption in captions])
    right = {"colour": colour == truth[:, 0], "shape": shape == truth[:, 1]}
    right["both"] = right["colour"] & right["shape"]
    return {name: 100.0 * values.numpy() for name, values in right.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("evaluation", type=Path, help="folder of the evaluation, with predictions.jsonl")
    parser.add_argument(
        "--steps", type=int, default=400, help="training steps of the classifier (default: 400)"
    )
    args = parser.parse_args()
    rows, encoded = predictions(args.evaluation), predictions(args.evaluation.with_name("reconstruction"))
    captions = [row["references"][0] for row in rows.values()]
    drawn, reconstructed = pictures_of(rows.values()), pictures_of(encoded[key] for key in rows)
    pool, pool_captions = scenes(2000, 0)  # of the scenes that the head was trained on
    words = [set(caption.split()) for caption in pool_captions]
    nearest = [
        max(
            range(len(words)),
            key=lambda place: len(words[place] & set(caption.split())) - len(words[place]) / 100,
        )
        for caption in captions
    ]
    mean = pool.float().mean(0).round().to(torch.uint8).expand(len(captions), -1, -1, -1)
    others, other_captions = scenes(len(captions), JUDGE_SEED, "val")
    judge = trained(args.steps)
    print("| pictures | colour | shape | both |\n|---|---|---|---|")
    for name, pictures, of in (
        ("drawn", drawn, captions),
        ("reconstructed by the autoencoder", reconstructed, captions),
        ("retrieved by words", pool[nearest], captions),
        ("mean image", mean, captions),
        ("rendered (other scenes)", others, other_captions),
    ):
        scores = mean_scores(judged(judge, pictures, of), [str(row) for row in range(len(of))])
        intervals = scores.intervals()
        cells = [
            f"{value:.1f} [{intervals[key][0]:.1f}, {intervals[key][1]:.1f}]"
            for key, value in scores.scores.items()
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    print(
        f"| chance | {100 / len(COLOURS):.1f} | {100 / len(SHAPES):.1f} | {100 / len(COLOURS) / len(SHAPES):.1f} |"
    )


if __name__ == "__main__":
    main()
