"""Asks a trained checkpoint a question about an image or a video, zero-shot or after examples."""

from __future__ import annotations

import argparse
from pathlib import Path

from frozenvl.util.decoding import add_decoding_arguments, decoding_of
from frozenvl.video.arguments import add_sampling_arguments, sampling_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, help="a checkpoint, the folder of a run, or an exported folder"
    )
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
    parser.add_argument(
        "--shots", type=Path, metavar="FILE", help="YAML file of few-shot examples (docs/serve.md)"
    )
    parser.add_argument("--induction", default=None, help="task induction: text at the start of the prompt")
    add_decoding_arguments(parser, 10, "the answer")
    add_sampling_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the answer."""
    import sys
    from dataclasses import replace

    from frozenvl.data.shots_file import Shots, read_shots
    from frozenvl.prompt import Example
    from frozenvl.retrieval.load import load_model
    from frozenvl.training.trained_run import run_sampling
    from frozenvl.video.files import image_or_video

    decoding, sampling = decoding_of(args), sampling_of(args, run_sampling(args.checkpoint))

    def example(path: str | Path, question: str, answer: str = "") -> Example:
        image = image_or_video(Path(path), sampling)
        image.read()  # a bad image is an error before the model is loaded
        return Example(image.name, image, image.name, question=question, answer=answer)

    query, examples = example(args.image, args.question), [example(*given) for given in args.example]
    shots = read_shots(args.shots) if args.shots else Shots()
    loaded = load_model(args.checkpoint)
    template = loaded.answering
    if args.induction is not None or shots.induction:
        template = replace(template, induction=shots.induction if args.induction is None else args.induction)
    prompt = template.prompt(query, [*shots.examples, *examples])
    (answer,) = loaded.model.answers(loaded.processor, [prompt], template, decoding)
    print(answer)
    if not answer.strip():
        print(
            "frozenvl: the answer is empty, as of a model that was not trained on questions", file=sys.stderr
        )
    return 0
