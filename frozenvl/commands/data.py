"""Packs, converts, indexes, checks and shows data sets. SOURCE is a class such as CocoCaptions or Shards, or a class
path; its arguments follow as --NAME VALUE (--source.NAME if an option here has the same name)."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frozenvl.data.shards.keys import IMAGE_KEY, TEXT_KEY, parse_keys
from frozenvl.util.arguments import count
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.files import write_atomically

if TYPE_CHECKING:
    from frozenvl.data.sources.source import Source
    from frozenvl.prompt import Example
    from frozenvl.util.gallery import Tile

MAX_NAMED = 3
"""Number of examples that `check` prints for each kind of finding."""
MAX_TOLD = 3
"""Number of conversations that `show` prints."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    # Arguments unknown to these parsers are the source's.
    kind: type[argparse.ArgumentParser] = type("SourceParser", (type(parser),), {"keeps_rest": True})
    metavar = "what|pack|convert|index|check|show"
    action = parser.add_subparsers(dest="action", required=True, metavar=metavar, parser_class=kind)

    def command(name: str, line: str) -> argparse.ArgumentParser:
        parser = action.add_parser(name, help=line, description=line, allow_abbrev=False, add_help=False)
        parser.add_argument(
            "-h", "--help", action=Help, nargs=0, help="show this, with the arguments of SOURCE"
        )
        return parser

    what = command("what", "name the source that reads a file or folder, with the command that checks it")
    what.add_argument("paths", metavar="PATH", nargs="+", type=Path)
    pack = command("pack", "write a source as WebDataset tars with an index; resumes an interrupted pack")
    pack.add_argument("source", metavar="SOURCE")
    pack.add_argument(
        "dest",
        metavar="DEST",
        type=Path,
        help="folder of the tars: a new one, or that of an interrupted pack",
    )
    size = pack.add_mutually_exclusive_group()
    size.add_argument(
        "--samples-per-shard", type=int, default=1000, metavar="N", help="examples per tar (default: 1000)"
    )
    size.add_argument(
        "--shard-mb", type=int, metavar="MB", help="size of a tar, in place of a number of examples"
    )
    pack.add_argument(
        "--skip-bad", action="store_true", help="leave out examples whose image is missing, and list them"
    )
    add_convert(
        command(
            "convert",
            "write a source as COCO JSON, a table, tars, Parquet files or LLaVA's JSON",
        )
    )
    index = command("index", "index existing tars, for random access")
    index.add_argument(
        "shards", metavar="SHARDS", nargs="+", help="tars, folders, globs or {000..575} patterns"
    )
    index.add_argument(
        "--index", type=Path, metavar="PATH", help="file of the index; give it to Shards as `index`"
    )
    index.add_argument(
        "--storage-options", type=json.loads, metavar="JSON", help="fsspec options of remote tars"
    )
    for part, names in (("image", IMAGE_KEY), ("text", TEXT_KEY)):
        index.add_argument(
            f"--{part}-key",
            default=names,
            metavar="NAMES",
            help=f"names of the {part}, separated by semicolons: `{part}_key` of Shards",
        )
    index.add_argument(
        "--allow-broken", action="store_true", help="index truncated or damaged tars up to the damage"
    )
    check = command("check", "read all of a source and report what is wrong or unusual")
    check.add_argument("source", metavar="SOURCE")
    check.add_argument("--json", type=Path, metavar="PATH", help="file for all findings")
    check.add_argument(
        "--strict", action="store_true", help="exit with status 1 if an image or a text cannot be used"
    )
    check.add_argument(
        "--language",
        metavar="NAME",
        help="language model whose special tokens are looked for in texts (default: those of common models), and by "
        "whose tokens the first conversation is shown",
    )
    add_template(check)
    show = command("show", "draw some examples with their captions, or questions and answers")
    show.add_argument("source", metavar="SOURCE")
    show.add_argument("--count", type=count, default=24, metavar="N", help="number of examples (default: 24)")
    show.add_argument("--out", type=Path, default=Path("sheet.png"), help="PNG file (default: sheet.png)")
    show.add_argument("--seed", type=int, default=0, help="seed of the choice of examples (default: 0)")
    show.add_argument(
        "--language",
        metavar="NAME",
        help="language model: prints the first examples as it reads them, with the tokens that are learned marked",
    )
    add_template(show)


def add_template(parser: argparse.ArgumentParser) -> None:
    """Adds the argument of the prompt template by which `--language` words examples."""
    parser.add_argument(
        "--template",
        type=json.loads,
        metavar="JSON",
        help="fields of the prompt template, such as '{\"chat\": true}' (default: the chat template of --language, if "
        "it has one)",
    )


def add_convert(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `convert`."""
    formats = ("coco", "table", "webdataset", "parquet", "llava")
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("dest", metavar="DEST", type=Path, help="folder to write: a new one")
    parser.add_argument("--format", choices=formats, required=True, help="layout of the new data set")
    parser.add_argument(
        "--skip-bad", action="store_true", help="leave out examples whose image is missing, and list them"
    )
    parser.add_argument(
        "--link",
        action="store_true",
        help="hard-link image files instead of copying them (coco, table and llava)",
    )


class Help(argparse.Action):
    """Prints the help of an action, and the arguments of the source if one was named before."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: Any, **__: Any
    ) -> None:
        parser.print_help()
        if name := getattr(namespace, "source", None):
            from frozenvl.data.registry import source_parser

            print()
            source_parser(name).print_help()
        parser.exit()


def run(args: argparse.Namespace) -> int:
    """Runs one of the actions; returns the exit status."""
    if args.action == "index":
        return run_index(args)
    if args.action == "what":
        return run_what(args)
    from frozenvl.data.registry import build_source

    source = build_source(args.source, args.rest)
    actions = {"pack": run_pack, "convert": run_convert, "check": run_check, "show": run_show}
    return actions[args.action](args, source)


def run_what(args: argparse.Namespace) -> int:
    """Prints which sources read files and folders. Returns 1 if there is none for one of them."""
    from frozenvl.data.detect import annotation_files, identify, inside, usage
    from frozenvl.data.registry import source_classes

    if args.rest:
        raise UserError(f"unrecognized arguments: {' '.join(args.rest)}")
    status = 0
    for path in args.paths:
        files = [found for found in inside(path) if found[1]] if path.is_dir() else []
        found = files or [(path, identify(path))]  # the images of annotations are no data set of their own
        for file, kinds in found:
            for kind in kinds:
                print(f"{file}: {kind.layout}\n    frozenvl data check {usage(kind, file)}")
                for other in kind.alternatives:
                    print(f"    or {other}: {source_classes()[other].layout}")
        if path.is_dir() and (more := len(annotation_files(path)) - len(files)):
            print(
                f"{path}: {more:,} other files that may be annotations are not recognised; ask about one by its name"
            )
        if not any(kinds for _, kinds in found):
            status = 1
            print(f"{path}: no layout that is read; data/README.md lists those that are")
    return status


def run_index(args: argparse.Namespace) -> int:
    """Writes an index of existing tars."""
    from frozenvl.data.shards.files import default_places, expand, say
    from frozenvl.data.shards.index import build_index
    from frozenvl.data.shards.store import ShardStore
    from frozenvl.util.progress import progress_line

    if args.rest:
        raise UserError(f"unrecognized arguments: {' '.join(args.rest)}")
    keys = parse_keys(args.image_key, args.text_key)
    urls = expand(args.shards, args.storage_options)
    store = ShardStore(urls, storage_options=args.storage_options)
    path = args.index or default_places(urls, keys)[-1]
    with progress_line("indexing", "shards") as report:
        index = build_index(path, urls, store, keys, allow_broken=args.allow_broken, report=report, say=say)
    print(f"{path}: {sum(shard.rows for shard in index.shards):,} samples in {len(urls):,} shards")
    return 0


def run_pack(args: argparse.Namespace, source: Source) -> int:
    """Writes a source as indexed tars."""
    from frozenvl.data.shards.pack import pack
    from frozenvl.util.progress import progress_line

    size = None if args.shard_mb is None else args.shard_mb * 10**6
    with progress_line("packing", "examples") as report:
        packed = pack(source, args.dest, args.samples_per_shard, size, args.skip_bad, report)
    for line in packed.left_out:
        print(f"left out: {line}", file=sys.stderr)
    written = packed.examples - len(packed.left_out)
    left = f"; {len(packed.left_out):,} left out" if packed.left_out else ""
    print(f"{args.dest}: {written:,} examples in {len(packed.shards):,} shards{left}")
    return 0


def run_convert(args: argparse.Namespace, source: Source) -> int:
    """Writes a source in a public layout, and prints the command that reads the result."""
    from frozenvl.data.convert import convert
    from frozenvl.util.progress import progress_line

    with progress_line("converting", "examples") as report:
        made = convert(source, args.dest, args.format, args.skip_bad, args.link, report)
    for line in made.left_out:
        print(f"left out: {line}", file=sys.stderr)
    left = f"; {len(made.left_out):,} left out" if made.left_out else ""
    print(f"{args.dest}: {made.examples:,} examples{left}; read it with")
    print(shlex.join(["frozenvl", "data", "check", *made.reader]))
    return 0


def run_check(args: argparse.Namespace, source: Source) -> int:
    """Reads all of a source and prints the findings. Returns 1 if no example can be used."""
    from frozenvl.data.check import BAD, SPECIAL_TOKEN, check
    from frozenvl.util.progress import progress_line

    special_token = special_tokens_of(args.language) if args.language else SPECIAL_TOKEN
    tell = teller(args)
    with progress_line("checking", "examples") as progress:
        report = check(source, progress, special_token)
    print(f"{report.examples:,} examples, {report.images:,} images, {report.texts:,} texts to train on")
    for reason, times in sorted(report.notes.items()):
        print(f"note: {times:,} {reason}")
    for line in report.index.lines():
        print(f"index: {line}")
    for kind, lines in sorted(report.found.items(), key=lambda item: (item[0] not in BAD, item[0])):
        print(f"{'BAD ' if kind in BAD else 'odd '} {kind}: {len(lines):,}")
        for line in [*lines[:MAX_NAMED], *(["…"] if len(lines) > MAX_NAMED else [])]:
            print(f"       {line}")
    if report.usable and (text := tell(source[0])):
        print(f"what is learned of {source[0].id}:\n{text}")
    if report.bad:
        print(f"{report.bad:,} images or texts cannot be used")
    if not report.usable:
        remedy = "; image_key and text_key name the members to read" if report.index.names else ""
        print(
            f"none of the {report.examples:,} examples can be used{remedy}"
            if report.examples
            else "no examples"
        )
    elif not report.bad:
        print("all can be used")
    if args.json:
        content = {"source": args.source, "arguments": args.rest, **report.as_json()}
        write_atomically(args.json, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return 1 if not report.usable or (args.strict and report.bad) else 0


def special_tokens_of(language: str) -> str:
    """Returns a regular expression of the special tokens of a language model's tokeniser."""
    from transformers import AutoTokenizer

    from frozenvl.model.tokenizing import special_tokens
    from frozenvl.pretrained.names import loading

    with loading(language) as where:
        tokenizer = AutoTokenizer.from_pretrained(where)
    return "|".join(map(re.escape, special_tokens(tokenizer))) or "(?!)"


def teller(args: argparse.Namespace) -> Callable[[Example], str]:
    """Returns the function that words an example for the terminal; what it returns is empty if there is nothing to say.

    Without `--language`, only conversations are worded.
    """
    from frozenvl.data.shown import brackets, conversation_text, green, worder

    mark = green if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else brackets
    if args.language:
        from frozenvl.training.trained_run import as_template

        return worder(args.language, as_template(args.template) if args.template else None, mark)
    if args.template:
        raise UserError("--template words examples for a language model; name it with --language")
    return lambda example: conversation_text(example, mark) if example.turns else ""


def run_show(args: argparse.Namespace, source: Source) -> int:
    """Draws random examples of a source into a PNG file, and prints the first conversations among them."""
    import PIL.Image

    from frozenvl.data.order import Permutation
    from frozenvl.data.shown import tile_of
    from frozenvl.util.gallery import SIDE, Tile, as_png, draw_gallery

    order, tell = Permutation(len(source), "show", args.seed), teller(args)
    tiles: list[Tile] = []
    told = 0
    for place in range(min(args.count, len(source))):
        try:
            example = source[order[place]]
            if told < MAX_TOLD and (text := tell(example)):
                told += 1
                print(f"{example.id}:\n{text}\n")
            tiles.append(tile_of(example, SIDE))
        except UnreadableImage as error:
            tiles.append(Tile(PIL.Image.new("RGB", (SIDE, SIDE), "#cccccc"), [str(error)]))
    write_atomically(args.out, as_png(draw_gallery(tiles)))
    print(f"{args.out}: {len(tiles)} of {len(source):,} examples")
    return 0
