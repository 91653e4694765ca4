"""Names the query of each episode after the nearest class: no language model, features of the frozen encoders alone.

    python experiments/new_words/nearest.py DATA

What the encoders' features allow: the class whose support images are nearest to the query, by the cosine of pooled
features. The encoders and the episodes are those of `configs/flickr8k_new_words.yaml` and `evaluation.yaml`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from frozenvl.data.sources.frozen_bench import FrozenBenchmark
from frozenvl.metrics.naming import naming_scores
from frozenvl.model.vision import SideBySide, TimmEncoder
from frozenvl.prompt import Episode, Image

SETTINGS = {
    "2way-1shot": (1, 2),
    "2way-3shot": (3, 2),
    "2way-5shot": (5, 2),
    "5way-1shot": (1, 5),
}
"""Setting → shots and ways in the name of its file."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with frozen_bench")
    folder = parser.parse_args().data / "frozen_bench" / "mini"
    torch.set_num_threads(1)
    encoders = [TimmEncoder(f"EfficientNet-Lite{number}", size=260) for number in (0, 2)]
    encoder, known = SideBySide(encoders).eval(), dict[Image, Tensor]()
    reader = encoder.reader()

    @torch.no_grad()
    def vector(image: Image) -> Tensor:
        if image not in known:
            known[image] = normalize(encoder(reader([image])).flatten(), dim=0)
        return known[image]

    def nearest(episode: Episode) -> str:
        classes: dict[str, list[Tensor]] = {}
        for image, caption in episode.support:
            name = next(name for name in episode.choices if caption.rstrip(". ").endswith(name))
            classes.setdefault(name, []).append(vector(image))
        query = vector(episode.query)
        means = {name: normalize(torch.stack(of).mean(0), dim=0) for name, of in classes.items()}
        return max(means, key=lambda name: float(means[name] @ query))

    for setting, (shots, ways) in SETTINGS.items():
        file = folder / f"open_ended_mi_shots_{shots}_ways_{ways}_all_questions.json"
        source = FrozenBenchmark(str(file), str(folder / "images"))
        episodes = [source[index] for index in range(len(source))]
        scores = naming_scores(
            {episode.id: nearest(episode) for episode in episodes},
            {episode.id: True for episode in episodes},
            {episode.id: episode.answer for episode in episodes},
        )
        low, high = scores.intervals()["strict"]
        print(f"{setting}: {scores.scores['strict']:.1f} [{low:.1f}, {high:.1f}]", flush=True)


if __name__ == "__main__":
    main()
