"""Caption scores of other packages beside frozenvl's, in many languages: the table of docs/metrics.md.

Run as a script to print it: `python tests/metrics/other_packages.py`. It needs the extra `dev`, nltk and rouge-score.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version

from languages import CAPTIONS, candidates_and_references

from frozenvl.metrics.captions import caption_scores

PACKAGES = ("torchmetrics", "sacrebleu", "nltk", "rouge-score")


def scores_of(language: str) -> dict[str, float]:
    """Returns BLEU-4 and ROUGE-L (mean over images) of the captions of a language, by package."""
    import sacrebleu
    from nltk.translate.bleu_score import corpus_bleu
    from rouge_score.rouge_scorer import RougeScorer
    from torchmetrics.functional.text import bleu_score

    candidates, references = candidates_and_references(language)
    here = caption_scores(candidates, references).scores
    said, truth = list(candidates.values()), list(references.values())
    streams = [list(stream) for stream in zip(*truth, strict=True)]
    rouge = RougeScorer(["rougeL"])
    best = [max(rouge.score(r, p)["rougeL"].fmeasure for r in rs) for p, rs in zip(said, truth, strict=True)]
    return {
        "BLEU-4 here": here["Bleu_4"],
        **{
            f"sacrebleu {name}": sacrebleu.corpus_bleu(said, streams, tokenize=name).score / 100
            for name in ("13a", "zh", "char")
        },
        "torchmetrics": float(bleu_score(said, truth)),
        "nltk": corpus_bleu([[text.split() for text in texts] for texts in truth], [p.split() for p in said]),
        "ROUGE-L here": here["ROUGE_L"],
        "rouge-score": sum(best) / len(best),
    }


def main() -> None:
    warnings.simplefilter("ignore")
    rows = {language: scores_of(language) for language in CAPTIONS}
    columns = next(iter(rows.values()))
    print(", ".join(f"{name} {version(name)}" for name in PACKAGES), end="\n\n")
    print(f"| captions | {' | '.join(columns)} |\n|---|{'--:|' * len(columns)}")
    for language, row in rows.items():
        print(f"| {language} | {' | '.join(f'{value:.3f}' for value in row.values())} |")


if __name__ == "__main__":
    main()
