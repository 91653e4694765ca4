"""Asks a trained checkpoint a question about an image or a video, zero-shot or after examples."""

from __future__ import annotations

import argparse
from pathlib import Path

from frozenvl.video.arguments import add_sampling_arguments, sampling_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, or the folder of a run")
    parser.add_argument("image", type=Path, help="image or video that the question is about")
    parser.add_argument("question", help="text of the question")
    parser.add_argument(
        "--example",
        nargs=3,
        action="append",
        default=[],
        metavar=("IMAGE", "QUESTION", "ANSWER"),
        help="few-shot example before the question; may be repeated",
    )
    parser.add_argument("--induction", default=None, help="task induction: text at the start of the prompt")
    parser.add_argument(
        "--max_new_tokens", type=int, default=10, help="maximum length of the answer (default: 10)"
    )
    add_sampling_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the answer."""
    import sys
    from dataclasses import replace

    from frozenvl.prompt import Example
    from frozenvl.training.trained_run import load_trained, run_sampling
    from frozenvl.video.files import image_or_video

    sampling = sampling_of(args, run_sampling(args.checkpoint))

    def example(path: str | Path, question: str, answer: str = "") -> Example:
        image = image_or_video(Path(path), sampling)
        image.read()  # a bad image is an error before the model is loaded
        return Example(image.name, image, image.name, question=question, answer=answer)

    query, shots = example(args.image, args.question), [example(*given) for given in args.example]
    trained = load_trained(args.checkpoint)
    template = trained.answering
    if args.induction is not None:
        template = replace(template, induction=args.induction)
    answer = trained.generate([template.prompt(query, shots)], template, args.max_new_tokens)[0]
    print(answer)
    if not answer.strip():
        print(
            "frozenvl: the answer is empty, as of a model that was not trained on questions", file=sys.stderr
        )
    return 0
