"""Random captions, and their scores by pycocoevalcap."""

import random

import pytest

WORDS = [f"w{i}" for i in range(12)]


def pycocoevalcap_scores(candidates, references):
    """Scores captions of lower-case words without punctuation, which the tokeniser would not change."""
    bleu = pytest.importorskip("pycocoevalcap.bleu.bleu").Bleu(4)
    cider = pytest.importorskip("pycocoevalcap.cider.cider").Cider()
    rouge = pytest.importorskip("pycocoevalcap.rouge.rouge").Rouge()
    results = {image: [caption] for image, caption in candidates.items()}
    bleus, bleus_each = bleu.compute_score(references, results, verbose=0)
    total_cider, cider_each = cider.compute_score(references, results)
    total_rouge, rouge_each = rouge.compute_score(references, results)
    names = ["Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "CIDEr", "ROUGE_L"]
    each = zip(*bleus_each, cider_each, rouge_each, strict=True)
    per_image = {
        image: dict(zip(names, row, strict=True)) for image, row in zip(references, each, strict=True)
    }
    return dict(zip(names, [*bleus, total_cider, total_rouge], strict=True)), per_image


def random_set(draw: random.Random, images: int, shortest: int = 0):
    def sentence():
        return " ".join(draw.choices(WORDS, k=draw.randint(shortest, 12)))

    references = {str(i): [sentence() for _ in range(draw.randint(1, 5))] for i in range(images)}
    references["0"].append("w1 w2 w3")  # pycocoevalcap fails where no reference has a word
    return {image: sentence() for image in references}, references
