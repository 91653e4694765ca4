"""Text-to-image retrieval as a custom benchmark: recall@1 and recall@5 by embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Embed
from frozenvl.evaluation.benchmark import Benchmark, Scores, Setting
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics.accuracy import named_scores
from frozenvl.metrics.metric import Metric


class TextToImage(Benchmark):
    """Finds the image of each caption among all images, by cosine similarity of embeddings.

    Args:
        source: images with captions; the first caption of each is its query.
        instruction: text after each image and each caption that asks for one word (E5-V, Jiang et al. 2024).
    """

    protocol = "text_to_image"
    metrics = (Metric("recall@1", "%", main=True), Metric("recall@5", "%", shown=False))
    ask = Embed()

    def __init__(self, source: Source, instruction: str = "\nSummary of the above in one word:") -> None:
        self.source, self.instruction = source, instruction

    def settings(self) -> list[Setting]:
        return [Setting(facts={"gallery": len(self.source)}, provenance={"instruction": self.instruction})]

    def queries(self, setting: Setting) -> Sequence[Query]:
        examples = [self.source[index] for index in range(len(self.source))]
        prompts = {"text": lambda e: (e.references[0],), "image": lambda e: (e.image,)}
        return [
            Query(
                f"{example.id}/{kind}",
                (*prompt(example), self.instruction),
                example.image_id,
                kind={"is": kind},
            )
            for example in examples
            for kind, prompt in prompts.items()
        ]

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        """Ranks all images for each caption. An unreadable image is never found."""
        texts, images = (
            [answer for answer in answers.values() if answer.query.kind["is"] == kind]
            for kind in ("text", "image")
        )
        known = [answer for answer in images if answer.vector is not None]
        gallery = np.stack([_unit(answer) for answer in known])
        ranks: dict[str, float] = {}
        for answer in texts:
            similar = gallery @ _unit(answer) if answer.vector is not None else np.zeros(len(known))
            own = [
                similar[n] for n, image in enumerate(known) if image.query.image_id == answer.query.image_id
            ]
            ranks[answer.query.id] = float((similar >= max(own)).sum()) if own else float("inf")
        recall = {f"recall@{k}": {key: 100.0 * (rank <= k) for key, rank in ranks.items()} for k in (1, 5)}
        return named_scores(recall, {answer.query.id: answer.query.image_id for answer in texts})


def _unit(answer: Answer) -> np.ndarray:
    assert answer.vector is not None
    return answer.vector / np.linalg.norm(answer.vector)
