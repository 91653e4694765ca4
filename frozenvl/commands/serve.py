"""Serves a page in the browser to try a trained model: captions, questions, conversations, few-shot prompts, maps.

The page works without any network. It is on this machine only, unless --host names another address.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from frozenvl.util.arguments import count
from frozenvl.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, help="a checkpoint, the folder of a run, or an exported folder"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="OTHER",
        help="another one, whose answers are shown beside the first's",
    )
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="folder of images to search")
    parser.add_argument("--port", type=count, default=7860, help="port of the page (default: 7860)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"
    )


def run(args: argparse.Namespace) -> int:
    """Serves until Ctrl-C."""
    import sys

    from frozenvl.serve.server import LOOPBACK, check_gradio, check_port, served, wait

    if args.images and not args.images.is_dir():
        raise UserError(f"{args.images}: not a folder; --images takes the folder of images to search")
    check_port(args.host, args.port)  # what can fail without the model fails before it is loaded
    check_gradio()
    checkpoints = [args.checkpoint, *([args.compare] if args.compare else [])]
    with served(checkpoints, args.images, args.host, args.port) as address:
        if args.host not in LOOPBACK:
            warning = f"everybody who reaches {args.host} can use the page: it asks for no password"
            print(f"frozenvl: {warning}", file=sys.stderr)
        print(f"frozenvl: {address} (Ctrl-C ends)", flush=True)
        wait()
    return 0
