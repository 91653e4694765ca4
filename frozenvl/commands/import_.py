"""Makes a run of a model in LLaVA's layout (`LlavaForConditionalGeneration`), to ask it and to train it further."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from frozenvl.wording import Template

HEADER = """# Made by `frozenvl import` from a model in LLaVA's layout. The frozen parts lie beside this file.
#
# Ask it:   frozenvl ask {run} photo.jpg "what is this?"
# Go on:    frozenvl fit --config {run}/config.yaml --init_from {run}/checkpoints/last.ckpt --name further \\
#               --data.root DATA
# Data:     DATA/conversations.json in LLaVA's layout and DATA/images (data/README.md), or a source of your own
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", help="folder in LLaVA's layout, as transformers writes it, or a name on the hub"
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the new run: new or empty")


def run(args: argparse.Namespace) -> int:
    """Writes the parts, config.yaml and a checkpoint; returns the exit status.

    Raises:
        UserError: if the folder is not in LLaVA's layout, or a setting of it has no place in a run.
    """
    from frozenvl.integrations.llava import check_equal
    from frozenvl.integrations.llava_import import read_llava
    from frozenvl.training.module import FrozenModule
    from frozenvl.training.run_folder import CHECKPOINTS
    from frozenvl.training.trained_run import CONFIG, made
    from frozenvl.util.config_text import as_yaml, escaped
    from frozenvl.util.whole_folder import whole_folder

    folder: Path = args.run.absolute()
    with whole_folder(args.run) as whole:
        llava = read_llava(args.model)
        llava.save_parts(whole / "language", whole / "vision")
        settings = llava.settings(whole / "language", whole / "vision")
        module: FrozenModule = made(FrozenModule, settings | {"precision": "fp32"}, "model")
        module.model.mapper.load_state_dict(llava.mapper_weights())
        model: Any = llava.model
        check_equal(module.eval().model, model.float(), model.config.image_token_id)
        (whole / CHECKPOINTS).mkdir()
        module.write_weights(whole / CHECKPOINTS / "last.ckpt", folder)
        own = escaped(llava.settings(folder / "language", folder / "vision"))
        content = as_yaml(configuration(folder.name, own, llava.template))
        (whole / CONFIG).write_text(HEADER.format(run=args.run) + content, encoding="utf-8")
    print(f"{args.run}: {CONFIG}, {CHECKPOINTS}/last.ckpt, language/, vision/; logits are equal")
    return 0


def configuration(name: str, model: dict[str, Any], template: Template) -> dict[str, Any]:
    """Returns the configuration of a run, with which a fit goes on from LLaVA's weights.

    Args:
        name: name of the run.
        model: the `model` block.
        template: wording of its prompts.
    """

    def task(part: str) -> dict[str, Any]:
        return {
            "conversations": {
                "source": {
                    "class_path": "frozenvl.data.sources.llava.LlavaConversations",
                    "init_args": {
                        "annotations": "${data.root}/conversations.json",
                        "images": "${data.root}/images",
                        "part": part,
                        "ask_share": 0.01,
                    },
                },
                "template": worded,
            }
        }

    worded = {"query": template.query, "chat": True} if template.chat else template.record()
    worded["stop"] = list(template.stops)
    return {
        "name": name,
        "seed_everything": 0,
        "model": model
        | {
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 2e-5, "weight_decay": 0.0}},
            "schedule": "cosine",
            "max_target_tokens": 256,
        },
        "data": {
            "batch_size": 32,
            "eval_batch_size": 16,
            "cache_features": False,
            "root": None,
            "train": task("train"),
            "val": task("ask"),
        },
        "trainer": {
            "max_steps": 1000,
            "val_check_interval": 500,
            "check_val_every_n_epoch": None,
            "num_sanity_val_steps": 0,
            "gradient_clip_val": 1.0,
        },
    }
