"""Scores captions or answers in files. Only METEOR and SPICE need Java."""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from frozenvl.metrics.tokenizers import TOKENIZERS
from frozenvl.metrics.vqa_rules import RULES
from frozenvl.util.files import write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="captions|vqa")
    captions = kinds.add_parser("captions", help="caption scores, equal to those of pycocoevalcap")
    vqa = kinds.add_parser("vqa", help="VQA v2 accuracy")
    for kind, option, file in (
        (
            captions,
            "--references",
            "captions in the layout of any source (COCO, Karpathy, …), or predictions.jsonl",
        ),
        (captions, "--results", "COCO results JSON, or predictions.jsonl"),
        (vqa, "--questions", "VQA v2 questions JSON, or questions with answers in the layout of any source"),
        (vqa, "--results", "VQA results JSON, or predictions.jsonl"),
    ):
        kind.add_argument(option, type=Path, required=True, help=file)
    vqa.add_argument("--annotations", type=Path, help="VQA v2 annotations JSON")
    captions.add_argument("--metrics", nargs="+", metavar="METRIC", help="only these (default: all)")
    captions.add_argument(
        "--tokenizer",
        choices=TOKENIZERS,
        default="ptb",
        help="ptb: pycocoevalcap's (default); char, zh (Chinese), ja (Japanese): sacrebleu's, for texts without spaces",
    )
    captions.add_argument("--per-image", action="store_true", help="also write the scores of each image")
    vqa.add_argument(
        "--rules",
        choices=RULES,
        default="official",
        help="how answers are normalised: official (VQA v2's, default), lavis, lmms or m4c (docs/metrics.md)",
    )
    vqa.add_argument("--per-question", action="store_true", help="also write the accuracy of each question")
    for kind in (captions, vqa):
        kind.add_argument(
            "--split",
            metavar="NAME",
            help="split of the references, or their language, for layouts with several in a file (Karpathy's, XM3600)",
        )
        kind.add_argument(
            "--partial", action="store_true", help="allow results for only a part of the images"
        )
        kind.add_argument("--out", type=Path, help="file for the JSON (default: printed)")


def run(args: argparse.Namespace) -> int:
    """Prints or writes one JSON object with `scores` and `intervals`."""
    result = score_captions(args) if args.kind == "captions" else score_vqa(args)
    result["fingerprint"] |= {
        "frozenvl": version("frozenvl"),
        "intervals": "95 % bootstrap over images, 1000 draws",
    }
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    if args.out:
        write_atomically(args.out, text)
    else:
        print(text, end="")
    return 0


def score_captions(args: argparse.Namespace) -> dict[str, Any]:
    """Computes caption scores of files."""
    from frozenvl.evaluation.layouts import read_captions, read_references
    from frozenvl.metrics.caption_groups import grouped_caption_scores
    from frozenvl.metrics.captions import CAPTION_METRICS, rules_of
    from frozenvl.metrics.fingerprint import digest
    from frozenvl.metrics.java import JAVA_METRICS, java_scores
    from frozenvl.util.cores import available_cores

    rules = rules_of(args.tokenizer)  # before the files are read: its library may be missing
    known = read_references(args.references, args.split)
    results = read_captions(args.results, known.ids)
    references, captions = known.texts, results.texts
    metrics = args.metrics or [*CAPTION_METRICS, *JAVA_METRICS]
    python_metrics = [name for name in metrics if name not in JAVA_METRICS]
    options = {"partial": args.partial, "tokenizer": args.tokenizer}
    scored = grouped_caption_scores(
        captions, references, known.groups, python_metrics, processes=available_cores(), **options
    )
    java_metrics = [name for name in JAVA_METRICS if name in metrics]
    java = java_scores(captions, references, java_metrics, **options)
    return {
        "scores": scored.scores | java.scores,
        "intervals": scored.intervals(),
        "not_computed": java.not_computed,
        "images": len(captions),
        "of": len(references),
        "notes": [*known.notes, *results.notes, *scored.notes],
        "fingerprint": {"references": digest(references)} | rules,
    } | ({"per_image": scored.per_image} if args.per_image else {})


def score_vqa(args: argparse.Namespace) -> dict[str, Any]:
    """Computes the VQA accuracy of files."""
    from frozenvl.evaluation.layouts import read_answers, read_vqa
    from frozenvl.metrics.fingerprint import digest
    from frozenvl.metrics.vqa import rules_notes, vqa_scores

    known = read_vqa(args.questions, args.annotations, args.split)
    results = read_answers(args.results, known.ids)
    options = {"partial": args.partial, "rules": args.rules}
    scored = vqa_scores(results.texts, known.answers, known.groups, known.images, **options)
    count = sum(not text.strip() for text in results.texts.values())
    empty = [f"{count:,} of {len(results.texts):,} answers are empty"] if count else []
    return {
        "scores": scored.scores,
        "intervals": scored.intervals(),
        "questions": len(results.texts),
        "of": len(known.answers),
        "notes": [
            *known.notes,
            *results.notes,
            *empty,
            *rules_notes(results.texts, known.answers, args.rules),
        ],
        "fingerprint": {"references": digest(known.answers), "normalisation": RULES[args.rules].record},
    } | ({"per_question": scored.per_question} if args.per_question else {})
