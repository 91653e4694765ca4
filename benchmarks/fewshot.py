"""Benchmarks few-shot questions: frozenvl's decoding against transformers' `generate`, in one run.

`python benchmarks/fewshot.py` needs the two small models of `frozenvl fetch` and no data. The prefix is not trained,
since only the equality of both sides' answers matters. It prints a table in Markdown. On a shared machine set
`OMP_NUM_THREADS=1` and read the ratio by CPU time; with more threads, waiting threads count as busy.

The baseline is transformers' `generate` on left-padded batches of whole prompts in the order of the data. It computes
an image's prefix again wherever the image occurs.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import PIL.Image
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from turns import HEADER, compare

from frozenvl.data.episodes import PerQuestion
from frozenvl.data.sources.scenes import SceneQuestions
from frozenvl.data.sources.source import Source
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import MLP
from frozenvl.model.prefix_cache import PrefixCache
from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.vision import TimmEncoder
from frozenvl.prompt import Example, Image, Prompt
from frozenvl.util.kernel_cache import limit_kernel_cache
from frozenvl.wording import VQA

ANSWER = 10
"""Maximum number of tokens of an answer."""


@dataclass(frozen=True, eq=False)
class Held(Image):
    """Image in memory, so that reading it is not timed."""

    name: str
    pixels: PIL.Image.Image

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()[:32]

    def read(self, side: int | None = None) -> PIL.Image.Image:
        return self.pixels


class Examples(list[Example]):
    """The first examples of a source, with their images in memory."""

    def __init__(self, source: Source, count: int) -> None:
        held: dict[str, Held] = {}
        for index in range(count):
            example = source[index]
            if example.image_id not in held:
                held[example.image_id] = Held(example.image.name, example.image.read())
            self.append(replace(example, image=held[example.image_id]))


class Models:
    """A model, and the ways to answer that are compared."""

    def __init__(self, k: int, half: bool) -> None:
        torch.manual_seed(0)
        vision = TimmEncoder("EfficientNet-Lite0")
        self.model = FrozenVL(FrozenLanguageModel("SmolLM2-135M-Instruct"), vision, MLP, k).eval()
        if half:
            self.model.hold_frozen_in_bf16()
        self.pixels = Pixels(vision.size)
        self.plain = Processor(self.model.language.name, k, self.pixels)

    def fresh(self) -> Processor:
        """Returns a processor with an empty prefix cache."""
        return Processor(self.model.language.name, self.model.k, PrefixCache(self.model, self.pixels))

    def fixed(self, sets: Sequence[Sequence[Prompt]], query: int, batch: int) -> list[str]:
        """Answers by frozenvl; the prompts of a set differ only in their last `query` parts."""
        processor = self.fresh()

        def answer(prompts: Sequence[Prompt]) -> list[str]:
            shared = self.model.prefill(processor, prompts[0][:-query])
            run = lambda queries: self.model.generate(
                processor(queries, start=False), processor, ANSWER, VQA.stop, prompt_cache=shared
            )
            texts = by_length([prompt[-query:] for prompt in prompts], batch, run)
            return [VQA.answer(text) for text in texts]

        return [text for prompts in sets for text in answer(prompts)]

    def each(self, prompts: Sequence[Prompt], batch: int) -> list[str]:
        """Answers by frozenvl; every prompt has its own demonstrations."""
        processor = self.fresh()
        run = lambda group: self.model.generate(processor(group), processor, ANSWER, VQA.stop)
        return [VQA.answer(text) for text in by_length(prompts, batch, run)]

    def embedded(self, prompts: Sequence[Prompt]) -> list[Tensor]:
        """Returns the embeddings of each prompt, (length, dim); encodes each occurrence of an image."""
        images = [part for prompt in prompts for part in prompt if isinstance(part, Image)]
        batches = self.pixels(images).split(32)  # faster than all at once
        prefixes = iter(torch.cat([self.model.vectors(batch, "pixels") for batch in batches]))
        embed = self.model.language.embed
        return [
            torch.cat(
                [
                    next(prefixes)
                    if isinstance(part, Image)
                    else embed(torch.tensor(self.plain.encode(part)))
                    for part in prompt
                ]
            ).to(self.model.language.model.dtype)
            for prompt in prompts
        ]

    @torch.no_grad()
    def transformers(self, prompts: Sequence[Prompt], batch: int) -> list[str]:
        """Answers by transformers' `generate` on whole prompts."""
        texts, end = [], self.plain.end
        for start in range(0, len(prompts), batch):
            rows = self.embedded(prompts[start : start + batch])
            mask = [torch.ones(len(row), dtype=torch.long) for row in rows]
            out = self.model.language.model.generate(
                inputs_embeds=pad_sequence(rows, batch_first=True, padding_side="left"),
                attention_mask=pad_sequence(mask, batch_first=True, padding_side="left"),
                max_new_tokens=ANSWER,
                do_sample=False,
                eos_token_id=end,
                pad_token_id=end,
            )
            texts += [VQA.answer(self.plain.decode(row)) for row in out.tolist()]
        return texts


def by_length(prompts: Sequence[Prompt], batch: int, run: Callable[[list[Prompt]], list[str]]) -> list[str]:
    """Runs batches of prompts of similar length; returns the texts in the order of the prompts."""
    size = lambda prompt: sum(len(part) if isinstance(part, str) else 0 for part in prompt)
    order = sorted(range(len(prompts)), key=lambda index: size(prompts[index]))
    texts = [""] * len(prompts)
    for start in range(0, len(order), batch):
        indices = order[start : start + batch]
        for index, text in zip(indices, run([prompts[index] for index in indices]), strict=True):
            texts[index] = text
    return texts


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--queries", type=int, default=64, help="questions, 32 to a fixed support set")
    options.add_argument("--shots", type=int, default=4)
    options.add_argument("--pool", type=int, default=256, help="questions to draw demonstrations from")
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--k", type=int, default=4)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    asked = options.parse_args()
    limit_kernel_cache()
    models, exact = Models(asked.k, asked.precision == "bf16"), asked.precision == "fp32"

    pool = Examples(SceneQuestions("train"), asked.pool)
    queries = Examples(SceneQuestions("val"), asked.queries)
    draw = lambda query: PerQuestion().draw(query, pool, asked.shots, seed=0)  # type: ignore[arg-type]
    supports = [draw(queries[start]) for start in range(0, len(queries), 32)]
    fixed = [VQA.prompt(query, supports[at // 32]) for at, query in enumerate(queries)]
    per_question = [VQA.prompt(query, draw(query)) for query in queries]

    images = [part for prompt in per_question for part in prompt if isinstance(part, Image)]
    print(f"{asked.shots} shots, batches of {asked.batch}, k = {asked.k}, {asked.precision}", end=", ")
    print(f"threads: {torch.get_num_threads()}")
    print(
        f"prompts with demonstrations per question: {len(images)} images, {len(set(images))} of them different\n"
    )
    print(HEADER)
    n, batch, query = len(queries), asked.batch, len(VQA.prompt(queries[0]))
    sets = [fixed[start : start + 32] for start in range(0, n, 32)]
    compare(
        *("questions, fixed support", asked.rounds, 3, exact),
        ours=(n, lambda: models.fixed(sets, query, batch)),
        theirs=(n, lambda: models.transformers(fixed, batch)),
    )
    compare(
        *("questions, demonstrations per question", asked.rounds, 1.3, exact),
        ours=(n, lambda: models.each(per_question, batch)),
        theirs=(n, lambda: models.transformers(per_question, batch)),
    )


if __name__ == "__main__":
    main()
