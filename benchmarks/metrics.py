"""Benchmarks caption scores: frozenvl and pycocoevalcap in one run on one machine.

`python benchmarks/metrics.py --captions captions.json` scores captions of a file in COCO's layout; without it, captions
of random common words. It prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import resource
import shutil
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np

from frozenvl.metrics.bleu import bleu, bleu_counts
from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.cider import DocumentFrequency, cider
from frozenvl.metrics.ngrams import NGramIndex, NGrams, Sentences
from frozenvl.metrics.rouge import rouge_l
from frozenvl.metrics.tokenizer import tokenize


def material(path: Path | None, images: int, references: int) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Deals the captions of a file, or random ones, to images: one candidate and some references each."""
    draw = random.Random(0)
    if path is None:
        words = [
            "a",
            "man",
            "dog",
            "on",
            "the",
            "in",
            "of",
            "with",
            "is",
            "two",
            "woman",
            "sitting",
            "street",
            "red",
            "table",
            "standing",
            "next",
            "to",
            "and",
        ]
        pool = [
            " ".join(draw.choices(words, k=draw.randint(7, 14))).capitalize() + "." for _ in range(30_000)
        ]
    else:
        pool = [entry["caption"] for entry in json.loads(path.read_text())["annotations"]]
    draw.shuffle(pool)
    dealt = iter(pool * (1 + images * (references + 1) // len(pool)))
    truth = {str(image): [next(dealt) for _ in range(references)] for image in range(images)}
    # A candidate shares words with its references, as a captioner's would.
    return {
        i: " ".join((several[0] + " " + next(dealt)).split()[3:14]) for i, several in truth.items()
    }, truth


def timed(run: Callable[[], object]) -> tuple[float, object]:
    began = time.perf_counter()
    result = run()
    return time.perf_counter() - began, result


def here(candidates: dict[str, str], references: dict[str, list[str]]) -> dict[str, float]:
    """Returns the seconds that frozenvl takes: stage or score → seconds."""
    took: dict[str, float] = {}
    images = list(candidates)

    def tokens() -> tuple[list, list]:
        return (
            [tokenize(candidates[image]) for image in images],
            [[tokenize(text) for text in references[image]] for image in images],
        )

    took["tokenisation"], (candidate_tokens, reference_tokens) = timed(tokens)
    flat = [words for several in reference_tokens for words in several]
    references_of = [len(several) for several in reference_tokens]

    def shared() -> tuple[DocumentFrequency, Sentences, NGrams]:
        vocabulary: dict[str, int] = {}
        sentences = Sentences.of(chain(candidate_tokens, flat), vocabulary)
        index, ngrams = NGramIndex.numbered(sentences, vocabulary)
        frequency = DocumentFrequency.counted(index, ngrams, references_of, first=len(images))
        return frequency, sentences, ngrams

    took["n-grams and idf (shared)"], (frequency, sentences, ngrams) = timed(shared)
    lengths = np.split(sentences.lengths, [len(images)])
    counts = ngrams.counts(0, len(images)), ngrams.counts(len(images), len(images) + len(flat))
    took["BLEU"], _ = timed(lambda: bleu(bleu_counts(*lengths, references_of, *counts).sum(axis=0)))
    took["CIDEr"], _ = timed(lambda: cider(*counts, references_of, frequency))
    pairs = list(zip(candidate_tokens, reference_tokens, strict=True))
    took["ROUGE-L"], _ = timed(lambda: np.mean([rouge_l(*pair) for pair in pairs]))
    return took


def pycocoevalcap(candidates: dict[str, str], references: dict[str, list[str]]) -> dict[str, float]:
    """Returns the seconds that pycocoevalcap takes: stage or score → seconds. Its tokeniser needs Java."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    took: dict[str, float] = {}
    truth = {image: [" ".join(tokenize(text)) for text in several] for image, several in references.items()}
    result = {image: [" ".join(tokenize(text))] for image, text in candidates.items()}
    if shutil.which("java"):

        def by_java() -> tuple[dict, dict]:
            wrapped = {
                image: [{"caption": text} for text in several] for image, several in references.items()
            }
            single = {image: [{"caption": text}] for image, text in candidates.items()}
            return PTBTokenizer().tokenize(wrapped), PTBTokenizer().tokenize(single)

        took["tokenisation"], (truth, result) = timed(by_java)
    for name, scorer in (("BLEU", Bleu(4)), ("CIDEr", Cider()), ("ROUGE-L", Rouge())):
        with contextlib.redirect_stdout(io.StringIO()):
            took[name], _ = timed(lambda scorer=scorer: scorer.compute_score(truth, result))
    return took


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=5000)
    options.add_argument("--references", type=int, default=5)
    options.add_argument("--captions", type=Path)
    options.add_argument("--processes", type=int, default=1, help="of the row `all scores in one call`")
    asked = options.parse_args()
    candidates, references = material(asked.captions, asked.images, asked.references)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours = here(candidates, references)
    tokenize.__globals__["_ordinary_tokens"].cache_clear()
    whole, _ = timed(lambda: caption_scores(candidates, references, processes=asked.processes))
    grew = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    theirs = pycocoevalcap(candidates, references)
    print(f"{asked.images} images × {asked.references} references\n")
    print("| | pycocoevalcap, s | frozenvl, s | ratio |\n|---|---|---|---|")
    for name in ["tokenisation", "n-grams and idf (shared)", "BLEU", "CIDEr", "ROUGE-L"]:
        a, b = theirs.get(name), ours[name]
        print(f"| {name} | {f'{a:.2f}' if a else '–'} | {b:.2f} | {f'{a / b:.1f}' if a else '–'} |")
    total = sum(theirs.values())
    print(f"| all scores in one call | {total:.2f} | {whole:.2f} | {total / whole:.1f} |")
    print(f"\npeak memory grew by {grew:.0f} MB")


if __name__ == "__main__":
    main()
