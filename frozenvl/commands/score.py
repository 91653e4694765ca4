"""Scores captions or answers in files, without Java (METEOR and SPICE alone need one)."""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from frozenvl.util.files import write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="captions|vqa")
    captions = what.add_parser("captions", help="scores of captions, equal to pycocoevalcap's")
    captions.add_argument(
        "--references", type=Path, required=True, help="COCO captions JSON, or predictions.jsonl"
    )
    captions.add_argument(
        "--results", type=Path, required=True, help="COCO results JSON, or predictions.jsonl"
    )
    captions.add_argument("--metrics", nargs="+", metavar="METRIC", help="only these (default: all)")
    captions.add_argument("--per-image", action="store_true", help="scores of each image, too")
    vqa = what.add_parser("vqa", help="VQA v2 accuracy")
    vqa.add_argument("--questions", type=Path, required=True, help="VQA v2 questions JSON")
    vqa.add_argument("--annotations", type=Path, required=True, help="VQA v2 annotations JSON")
    vqa.add_argument("--results", type=Path, required=True, help="VQA results JSON, or predictions.jsonl")
    vqa.add_argument("--per-question", action="store_true", help="the accuracy of each question, too")
    for each in (captions, vqa):
        each.add_argument("--partial", action="store_true", help="allow results for a part of the images")
        each.add_argument("--out", type=Path, help="write the JSON there in place of printing it")


def run(args: argparse.Namespace) -> int:
    """Prints or writes one JSON object with `scores` and `intervals`."""
    result = score_captions(args) if args.what == "captions" else score_vqa(args)
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
    """Caption scores of two files."""
    from frozenvl.evaluation.layouts import read_captions, read_references
    from frozenvl.metrics.captions import CAPTION_METRICS, RULES, caption_scores
    from frozenvl.metrics.fingerprint import digest
    from frozenvl.metrics.java import JAVA_METRICS, java_scores

    references, candidates = read_references(args.references), read_captions(args.results)
    wanted = args.metrics or [*CAPTION_METRICS, *JAVA_METRICS]
    scored = caption_scores(
        candidates, references, [name for name in wanted if name not in JAVA_METRICS], partial=args.partial
    )
    java = java_scores(
        candidates, references, [name for name in JAVA_METRICS if name in wanted], partial=args.partial
    )
    result: dict[str, Any] = {
        "scores": scored.scores | java.scores,
        "intervals": scored.intervals(),
        "not_computed": java.not_computed,
        "images": len(candidates),
        "of": len(references),
        "notes": scored.notes,
        "fingerprint": {"references": digest(references)} | RULES,
    }
    if args.per_image:
        result["per_image"] = scored.per_image
    return result


def score_vqa(args: argparse.Namespace) -> dict[str, Any]:
    """VQA accuracy of a results file."""
    from frozenvl.evaluation.layouts import read_answers, read_vqa
    from frozenvl.metrics.fingerprint import digest
    from frozenvl.metrics.vqa import vqa_scores

    known, predictions = read_vqa(args.questions, args.annotations), read_answers(args.results)
    answers = {question: row["answers"] for question, row in known.items()}
    scored = vqa_scores(
        predictions,
        answers,
        {question: row["groups"] for question, row in known.items()},
        {question: row["image_id"] for question, row in known.items()},
        partial=args.partial,
    )
    result: dict[str, Any] = {
        "scores": scored.scores,
        "intervals": scored.intervals(),
        "questions": len(predictions),
        "of": len(known),
        "fingerprint": {"references": digest(answers), "normalisation": "VQA v2's official"},
    }
    if args.per_question:
        result["per_question"] = scored.per_question
    return result
