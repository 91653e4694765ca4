"""Writes a trained model as a folder for FrozenVL.from_pretrained and the Hugging Face hub."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.report.load import Result
    from frozenvl.training.trained_run import Trained


DTYPES = ("float32", "float16", "bfloat16")
"""Names of the dtypes that an export's weights may have. Weights are trained in the first one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="a checkpoint, or the folder of a run")
    parser.add_argument("folder", type=Path, metavar="DIR", help="output folder: new or empty")
    parser.add_argument(
        "--overwrite",
        choices=("true", "false"),
        default="false",
        help="replace an existing export of --format frozenvl; other files stay (default: false)",
    )

    parser.add_argument(
        "--format",
        choices=("frozenvl", "transformers"),
        default="frozenvl",
        help="frozenvl: trained weights, for FrozenVL.from_pretrained; transformers: the whole model as "
        "LlavaForConditionalGeneration, if its parts fit LLaVA's layout (default: frozenvl)",
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default=DTYPES[0],
        help="dtype of the weights of --format frozenvl; 16 bits halve the file and round them (default: float32)",
    )


def run(args: argparse.Namespace) -> int:
    """Writes config.json, model.safetensors and the model card README.md, or a folder for transformers."""
    folder: Path = args.folder
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: not a folder; name another")
    taken = folder.is_dir() and any(folder.iterdir())
    if taken and args.format == "transformers":
        raise UserError(f"{folder}: not empty; name a new folder")
    if taken and args.overwrite == "false":
        raise UserError(f"{folder}: not empty; name another folder, or write over it with --overwrite true")

    if args.format == "transformers" and args.dtype != DTYPES[0]:
        raise UserError(
            "--dtype is for --format frozenvl; transformers' own class takes `dtype` when it loads"
        )

    import torch

    from frozenvl.model.hub import CARD, FILES
    from frozenvl.training.trained_run import load_trained

    trained = load_trained(args.checkpoint)
    if args.format == "transformers":
        from frozenvl.integrations.llava import write_llava

        write_llava(trained.module.model, folder)
        print(
            f"{folder}: for AutoModelForImageTextToText and AutoProcessor of transformers; logits are equal"
        )
        return 0
    model, card = trained.module.model, card_of(trained, args.checkpoint)
    if args.dtype != DTYPES[0]:
        model.stored_dtype = getattr(torch, args.dtype)
        card |= {"rounded": args.dtype}
    model.exported()  # refuses models that cannot be exported, before any file is replaced
    (folder / CARD).unlink(missing_ok=True)  # save_pretrained keeps an existing card
    model.save_pretrained(folder, model_card_kwargs=card)
    print(f"{folder}: {', '.join(FILES)}; choose a licence in {CARD} before you publish it")
    return 0


def card_of(trained: Trained, path: Path) -> dict[str, Any]:
    """Returns the fields of the model card."""
    from frozenvl.objectives import Captioning, SelfCritical
    from frozenvl.prompt import BlackImage, Example, Image
    from frozenvl.training.trained_run import read_config, run_folder

    run = run_folder(path)
    tasks = read_config(run)["data"]["train"]
    prompt = trained.captioning.prompt(Example("", BlackImage(), ""))
    words = ["image" if isinstance(part, Image) else repr(part) for part in prompt]
    writes = any(isinstance(x, Captioning | SelfCritical) for x in trained.module.objectives.values())
    return {
        "step": trained.step,
        "embeds_only": bool(trained.module.model.heads) and not writes,
        "blind": trained.blind,
        # Only class paths: the arguments hold local paths.
        "data": [f"{name}: {task['source']['class_path']}" for name, task in tasks.items()],
        "prompt": f"({', '.join(words)},)",
        **scores_of(results_of(run, trained.module.trained_fingerprint())),
    }


def results_of(run: Path, weights: str) -> list[Result]:
    """Returns the results that these weights have in a run's folder."""
    from frozenvl.evaluation.score_file import score_files
    from frozenvl.report.load import read_runs

    if not score_files(run):
        return []
    results = read_runs([run])[0].results
    return [result for result in results if result.provenance.get("trained_weights") == weights]


def scores_of(results: list[Result]) -> dict[str, Any]:
    """Returns the main scores as [evaluation, metric, value with 95 % interval, queries], and what their marks mean."""
    from frozenvl.report.cell import cell_of
    from frozenvl.report.tables import marks_in

    rows = [
        [result.name, result.main, str(cell_of([result], result.main)), f"{result.samples} of {result.of}"]
        for result in results
    ]
    return {"scores": rows, "marks": [line.replace("*", r"\*") for line in marks_in(results)]}
