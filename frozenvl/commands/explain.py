"""Explains what a caption or an answer depends on: maps over the image, as a picture, numbers and a page.

Prints a table with the strongest cells of each word, and where the files are. A cell is named by its row and column,
counted from the top left of the encoder's square.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frozenvl.util.arguments import count, setting
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.analysis.method import Maps, Method
    from frozenvl.analysis.target import TargetFunction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, help="a checkpoint, the folder of a run, or an exported folder"
    )
    parser.add_argument("image", type=Path, help="image file")
    parser.add_argument("question", nargs="?", default="", help="question about it (default: a caption)")
    parser.add_argument(
        "--method",
        nargs="+",
        default=["occlusion"],
        metavar="METHOD",
        help="methods by name or class path (docs/explain.md); default: occlusion",
    )
    parser.add_argument("--answer", default="", help="text to explain (default: what the model says)")
    parser.add_argument(
        "--against", default="", metavar="TEXT", help="explain log p(answer) - log p(TEXT) of two answers"
    )
    parser.add_argument(
        "--target",
        choices=("word", "text"),
        help="a map for each word, or one for the text (default: word; text with --against)",
    )
    parser.add_argument("--grid", type=count, metavar="N", help="cells per side of the encoder's square")
    parser.add_argument(
        "--level", choices=("pixel", "cell", "prefix"), help="what is changed (default: pixel)"
    )
    parser.add_argument(
        "--baseline", choices=("mean", "blur", "black"), help="what it is replaced by (default: mean)"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        type=setting,
        default=[],
        metavar="KEY=VALUE",
        help="further settings of the methods, such as window=2",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("explanation"), help="folder to write to (default: explanation)"
    )


def run(args: argparse.Namespace) -> int:
    """Writes pictures, explanation.json and explanation.html. Prints the strongest cells of each word."""
    import yaml

    from frozenvl.analysis.explain import target_function
    from frozenvl.analysis.methods import methods_of
    from frozenvl.prompt import ImageFile
    from frozenvl.report.explanation import strongest
    from frozenvl.retrieval.load import load_model
    from frozenvl.util.printing import print_beside

    options = {"grid": args.grid, "level": args.level, "baseline": args.baseline}
    methods = methods_of(args.method, options, {key: yaml.safe_load(value) for key, value in args.set})
    image = ImageFile(args.image)
    image.read()  # a bad image is an error before the model is loaded
    model, processor, captioning = load_model(args.checkpoint)
    function = target_function(
        model,
        image,
        args.question,
        args.answer,
        args.against,
        None if args.target is None else args.target == "word",
        processor,
        None if args.question else captioning,
    )
    explained: list[Maps] = []
    refused: dict[str, str] = {}
    pictures: list[bytes] = []
    record: dict[str, Any] = {"maps": []}
    for maps in explanations(function, methods, refused):
        explained.append(maps)
        pictures.append(draw(args.output, function, maps, args.question or function.target.text.strip()))
        # After each method: what is finished stays if a later one is interrupted.
        record = record_of(args, function, explained, refused)
        write(args.output, record, pictures)
    if refused and explained:
        record = record_of(args, function, explained, refused)
        write(args.output, record, pictures)
    rows = [
        (name, [maps["method"], *_values(maps, place), strongest(maps, place)])
        for maps in record["maps"]
        for place, name in enumerate(maps["names"])
    ]
    print_beside("text", ("method", "image", "baseline", "strongest cells"), rows)
    print(f"explanation: {args.output / 'explanation.html'}")
    return 0


def _values(maps: dict[str, Any], place: int) -> list[str]:
    """Returns the table's cells of a map's value and the baseline's."""
    known = (maps["value"], maps["value_at_baseline"])
    return ["–" if values is None else f"{values[place]:.3f}" for values in known]


def explanations(function: TargetFunction, methods: list[Method], refused: dict[str, str]) -> Iterator[Maps]:
    """Yields the maps of each method, with progress.

    Args:
        function: target function.
        methods: methods.
        refused: receives the reason of each method that cannot explain this model, by its name.

    Raises:
        UserError: if none can.
    """
    from frozenvl.retrieval.printing import note
    from frozenvl.util.progress import progress_line

    for method in methods:
        try:
            with progress_line(method.name, "parts") as progress:
                maps = method.maps(function, progress)
        except UserError as error:
            if len(methods) == 1:
                raise
            refused[method.name] = str(error)
            note(f"{method.name} is left out: {error}")
            continue
        yield maps
    if len(refused) == len(methods):
        raise UserError("no method can explain this model; the lines above say why")


def record_of(
    args: argparse.Namespace, function: TargetFunction, explained: list[Maps], refused: dict[str, str]
) -> dict[str, Any]:
    """Returns the content of explanation.json."""
    import hashlib
    from importlib.metadata import version

    from frozenvl.evaluation.provenance import LIBRARIES
    from frozenvl.model.fingerprint import add_weights

    left, top, right, bottom = function.box
    model, trained = function.model, hashlib.sha256()
    add_weights(trained, model.trained_weights())
    return {
        "image": str(args.image),
        "question": args.question,
        "prompt": function.batch.texts[0],
        "text": function.target.text.strip(),
        "against": function.target.against.strip(),
        "words": [word.text for word in function.words],
        "square": {"side": function.size, "left": left, "top": top, "right": right, "bottom": bottom},
        "maps": [maps.record() for maps in explained],
        "refused": refused,
        "provenance": {
            "checkpoint": str(args.checkpoint),
            "image": function.image.digest,
            "model": model.identity(),
            "trained_weights": trained.hexdigest()[:16],
            "precision": "bf16" if model.low_precision else "fp32",
            "versions": {name: version(name) for name in LIBRARIES},
        },
    }


def draw(folder: Path, function: TargetFunction, maps: Maps, title: str) -> bytes:
    """Writes the picture of a method to a folder, and returns it as PNG."""
    from frozenvl.analysis.drawing import picture
    from frozenvl.util.files import write_atomically
    from frozenvl.util.gallery import as_png

    png = as_png(picture(function, maps, title))
    write_atomically(folder / f"{maps.method}.png", png)
    return png


def write(folder: Path, record: dict[str, Any], pictures: list[bytes]) -> None:
    """Writes explanation.json and explanation.html to a folder."""
    from frozenvl.report.explanation import explanation_page
    from frozenvl.util.files import write_atomically

    write_atomically(folder / "explanation.json", json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    write_atomically(folder / "explanation.html", explanation_page(record, pictures))
