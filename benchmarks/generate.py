"""Benchmarks captioning: frozenvl's decoding against common ways to decode, in one run.

`python benchmarks/generate.py [CKPT DATA]` captions photographs of DATA/flickr8k with a trained run; without arguments,
rendered scenes with an untrained prefix. All sides use the same prefix vectors, computed before: only greedy decoding
is timed. It prints a table in Markdown.

- `generate`: transformers' method, on the whole batch, padded on the left.
- one at a time: one image after the other without a KV cache, as ClipCap's notebooks decode.
- beam search of 3: frozenvl's against that of `generate`. A last line gives its time relative to frozenvl's greedy
  decoding.

`--beams N` sets the number of beams. On a shared machine set `OMP_NUM_THREADS=1` and read the ratio by CPU time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch.nn.utils.rnn import pad_sequence
from training_ways import LANGUAGE
from turns import HEADER, compare

from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.model.batch import Batch
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import MLP
from frozenvl.model.prefix_cache import PrefixCache
from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.vision import TimmEncoder
from frozenvl.training.trained_run import load_trained
from frozenvl.util.kernel_cache import limit_kernel_cache
from frozenvl.wording import Template


class Decoding:
    """A model, a batch of prompts, and the ways to decode that are compared."""

    def __init__(self, model: FrozenVL, batch: Batch, processor: Processor, length: int) -> None:
        self.model, self.batch, self.processor, self.length = model, batch, processor, length

    @torch.no_grad()
    def rows(self, batch: Batch) -> list[torch.Tensor]:
        """Returns the embeddings of each prompt, (length, dim)."""
        embedded = self.model.embeddings(batch, self.model.run(batch).prefix)
        return [row[:length] for row, length in zip(embedded, batch.lengths.tolist(), strict=True)]

    def here(self, **options: int) -> list[str]:
        """Decodes by frozenvl."""
        return self.model.generate(self.batch, self.processor, self.length, **options)

    @torch.no_grad()
    def transformers(self, **options: int) -> list[str]:
        """Decodes by transformers' `generate`, prompts padded on the left."""
        rows, end = self.rows(self.batch), self.processor.end
        mask = [torch.ones(len(row), dtype=torch.long) for row in rows]
        out = self.model.language.model.generate(
            inputs_embeds=pad_sequence(rows, batch_first=True, padding_side="left"),
            attention_mask=pad_sequence(mask, batch_first=True, padding_side="left"),
            max_new_tokens=self.length,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end,
            **options,
        )
        return [self.processor.decode(row) for row in out.tolist()]

    @torch.no_grad()
    def alone(self, few: list[int]) -> list[str]:
        """Decodes one image at a time without a KV cache."""
        language, texts = self.model.language, []
        rows = self.rows(self.batch)
        for index in few:
            row, tokens = rows[index], list[int]()
            while len(tokens) < self.length:
                token = int(language.model(inputs_embeds=row[None], use_cache=False).logits[0, -1].argmax())
                if token == self.processor.end:
                    break
                tokens.append(token)
                row = torch.cat([row, language.embed(torch.tensor([token]))])
            texts.append(self.processor.decode(tokens))
        return texts


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("checkpoint", type=Path, nargs="?", metavar="CKPT")
    options.add_argument("data", type=Path, nargs="?", metavar="DATA")
    options.add_argument("--batch", type=int, default=100)
    options.add_argument("--alone", type=int, default=10, help="images captioned one at a time")
    options.add_argument("--length", type=int, default=24, help="maximum number of tokens")
    options.add_argument("--beams", type=int, default=3)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    asked = options.parse_args()
    limit_kernel_cache()
    source: CocoCaptions | SceneCaptions = SceneCaptions("val")
    if asked.checkpoint and asked.data:
        flickr = asked.data / "flickr8k"
        source = CocoCaptions(f"{flickr}/annotations/captions_val.json", f"{flickr}/images")
        model = load_trained(asked.checkpoint).module.model
    else:
        torch.manual_seed(0)
        model = FrozenVL(FrozenLanguageModel(LANGUAGE), TimmEncoder("EfficientNet-Lite0"), MLP, 4).eval()
    if asked.precision == "bf16":
        model.hold_frozen_in_bf16()
    else:
        model.float().low_precision = False
    processor = Processor(model.language.name, model.k, PrefixCache(model, Pixels(model.vision.size)))
    prompts = [Template().prompt(source[index]) for index in range(asked.batch)]
    batch = processor(prompts)
    decoding = Decoding(model, batch, processor, asked.length)

    exact, count = asked.precision == "fp32", len(prompts)
    few = list(range(count))[:: max(1, count // asked.alone)][: asked.alone]
    print(f"batch {count}, {asked.precision}, threads: {torch.get_num_threads()}\n\n{HEADER}")
    compare(
        *("captions; baseline: `generate`", asked.rounds, 1.5, exact),
        ours=(count, decoding.here),
        theirs=(count, decoding.transformers),
    )
    compare(
        *("captions; baseline: one at a time", asked.rounds, 20, exact),
        ours=(count, decoding.here),
        theirs=(len(few), lambda: decoding.alone(few)),
    )
    beams = {"num_beams": asked.beams}
    compare(
        *(f"captions, beam search of {asked.beams}", max(1, asked.rounds - 1), 1, exact),
        ours=(count, lambda: decoding.here(**beams)),
        theirs=(count, lambda: decoding.transformers(**beams)),
    )
    ratio = relative_time(lambda: decoding.here(**beams), decoding.here, asked.rounds)
    print(f"\nbeam search of {asked.beams}: {ratio:.2f} × the CPU time of greedy decoding (target: 2.2)")


def relative_time(work: Callable[[], object], other: Callable[[], object], rounds: int) -> float:
    """Returns the CPU time of some work relative to other work, the median over rounds in which the two take turns."""
    ratios = []
    for _ in range(rounds):
        seconds = []
        for run in (work, other):
            begun = time.process_time()
            run()
            seconds.append(time.process_time() - begun)
        ratios.append(seconds[0] / seconds[1])
    return median(ratios)


if __name__ == "__main__":
    main()
