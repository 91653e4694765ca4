"""Holds a conversation with a trained checkpoint about images, on the terminal."""

from __future__ import annotations

import argparse
import shlex
import sys
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from frozenvl.util.arguments import count
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from frozenvl.model.conversation import Conversation
    from frozenvl.model.frozen import FrozenVL
    from frozenvl.model.processor import Processor
    from frozenvl.prompt import Example, Image
    from frozenvl.retrieval.image_index import ImageIndex

FOUND = 4
"""Number of pictures that `/find` prints."""
HELP = """\
/image FILE                        shows another image with the next message
/find TEXT                         finds pictures of --images, and shows the best one with the next message
/undo                              takes back the last turn
/shots FILE.json                   puts the conversations of a file, as /save writes them, in front as demonstrations
/shots IMAGE QUESTION ANSWER ...   puts examples in front; quote texts with spaces
/shots off                         leaves the demonstrations out
/save FILE.json                    saves the conversation in LLaVA's layout
/help                              prints these lines
/quit                              ends, as the end of the input does; Ctrl-C stops an answer"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, help="a checkpoint, the folder of a run, or an exported folder"
    )
    parser.add_argument("image", type=Path, nargs="?", help="image of the first message")
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="folder of images that /find searches, with subfolders"
    )
    parser.add_argument("--head", help="name of the embedding head that /find uses, if the model has several")
    parser.add_argument("--system", default="", help="system message: text in front of the conversation")
    parser.add_argument(
        "--max_new_tokens", type=count, default=256, help="maximum length of an answer (default: 256)"
    )


def run(args: argparse.Namespace) -> int:
    """Reads a message or a command from each line of stdin, and prints the answers. Notes are on stderr."""
    from frozenvl.retrieval.load import load_model

    shown = [_read_image(args.image)] if args.image else []
    if args.images and not args.images.is_dir():
        raise UserError(f"{args.images}: not a folder; --images takes the folder that /find searches")
    model, processor, _ = load_model(args.checkpoint)
    index = (lambda: index_of(model, processor, args.images, args.head)) if args.images else None
    conversation = model.chat(processor, system=args.system, max_new_tokens=args.max_new_tokens)
    terminal = Terminal(conversation, shown, index)
    if sys.stdin.isatty():
        import readline  # noqa: F401 - `input` then edits lines and knows the ones before

        note("/help lists the commands, /quit ends")
    goes_on = True
    while goes_on:
        try:
            goes_on = terminal.once()
        except KeyboardInterrupt:  # between two lines
            note("\n/quit ends")
    return 0


def note(line: str) -> None:
    """Prints a line on stderr, behind the answer so far."""
    sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)


def _read_image(path: Path) -> Image:
    """Returns an image file that can be read."""
    from frozenvl.prompt import ImageFile

    image = ImageFile(path)
    image.read()
    return image


def _read_conversations(path: Path) -> tuple[Example, ...]:
    """Returns the conversations of a file in LLaVA's layout, whose images can be read."""
    from frozenvl.data.sources.llava import LlavaConversations

    source = LlavaConversations(str(path), str(path.parent))
    conversations = tuple(source[index] for index in range(len(source)))
    for image in {image for conversation in conversations for image in conversation.images}:
        image.read()
    return conversations


def index_of(model: FrozenVL, processor: Processor, folder: Path, head: str | None) -> ImageIndex:
    """Embeds the images of a folder, and returns their index."""
    from frozenvl.retrieval.image_index import ImageIndex
    from frozenvl.retrieval.printing import note_unreadable
    from frozenvl.util.progress import progress_line

    with progress_line("embedding", "images") as progress:
        index = ImageIndex(model, folder, head, processor, progress)
    note_unreadable(list(index.unreadable.values()))
    return index


class Terminal:
    """A conversation on the terminal.

    Args:
        conversation: conversation with a model.
        images: images of the next message.
        index: function that returns the index of the images that `/find` searches; None if there is no folder.
    """

    def __init__(
        self, conversation: Conversation, images: list[Image], index: Callable[[], ImageIndex] | None = None
    ) -> None:
        self.conversation, self.images = conversation, images
        self.index = index and cache(index)

    def once(self) -> bool:
        """Reads a line and does what it says. Returns False at the end. Wrong input gets one line."""
        try:
            line = input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            if sys.stdin.isatty():
                note("")
            return False
        except UnicodeDecodeError:
            note("frozenvl: the line is not UTF-8; it is left out")
            return True
        try:
            if not line.startswith("/"):
                self.say(line)
                return True
            name, _, rest = line.partition(" ")
            if name == "/quit":
                return False
            command = getattr(self, f"do_{name[1:]}", None) if name[1:].isalpha() else None
            if command is None:
                raise UserError(f"no command {name}; /help lists them")
            command(rest.strip())
        except KeyboardInterrupt:
            note("\nstopped")
        except UserError as error:
            note(f"frozenvl: {error}")
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            note(f"frozenvl: {error.filename or ''}: {error.strerror}")
        return True

    def say(self, text: str) -> None:
        """Says a message with the images that were shown, and prints the answer as it comes."""
        if not text:
            return
        # Once the turn is part of the conversation, however it ended, its images are.
        before = len(self.conversation.turns)
        try:
            with closing(self.conversation.stream(*self.images, text)) as pieces:
                for piece in pieces:
                    print(piece, end="", flush=True)
        finally:
            if len(self.conversation.turns) > before:
                self.images = []
        print(flush=True)
        if not self.conversation.ended:
            note("(the answer reached its maximum length)")
        elif not self.conversation.turns[-1].reply:
            note("frozenvl: the answer is empty")

    def do_image(self, rest: str) -> None:
        """Shows another image with the next message."""
        if not rest:
            raise UserError("/image needs the name of an image file")
        path = Path(rest)
        if not path.exists() and len(words := _words(rest)) == 1:
            path = Path(words[0])  # quoted, or with escaped spaces
        self.images = [_read_image(path)]

    def do_find(self, rest: str) -> None:
        """Prints the pictures that are most similar to a text, and shows the best one with the next message."""
        from frozenvl.prompt import ImageFile
        from frozenvl.retrieval.printing import row

        if self.index is None:
            raise UserError("/find needs a folder of images; start with `frozenvl chat RUN --images FOLDER`")
        if not rest:
            raise UserError("/find needs a text that says what the picture shows")
        hits = self.index().search(rest, FOUND)
        for rank, hit in enumerate(hits, 1):
            row(rank, f"{hit.score:.4f}", hit.path)
        self.images = [ImageFile(hits[0].path)]
        note(f"{hits[0].path.name} is shown with the next message")

    def do_undo(self, rest: str) -> None:
        """Takes back the last turn. Its images are shown again with the next message."""
        from frozenvl.prompt import Image

        turn = self.conversation.undo()
        self.images = self.images or [part for part in turn.message if isinstance(part, Image)]
        said = "".join(part for part in turn.message if isinstance(part, str))
        note(f"undone: {said}")

    def do_shots(self, rest: str) -> None:
        """Puts demonstrations in front of the conversation."""
        from frozenvl.prompt import Example

        words = _words(rest)
        if words == ["off"]:
            self.conversation.shots = ()
        elif len(words) == 1:
            self.conversation.shots = _read_conversations(Path(words[0]))
        elif words and len(words) % 3 == 0:
            triples = [words[at : at + 3] for at in range(0, len(words), 3)]
            images = [_read_image(Path(name)) for name, _, _ in triples]
            self.conversation.shots = tuple(
                Example(image.name, image, image.name, question=question, answer=answer)
                for image, (_, question, answer) in zip(images, triples, strict=True)
            )
        else:
            raise UserError("/shots needs a .json file, IMAGE QUESTION ANSWER for each example, or off")
        note(f"demonstrations: {len(self.conversation.shots)}")

    def do_save(self, rest: str) -> None:
        """Saves the conversation."""
        from frozenvl.data.writers.llava import write_conversation

        words = _words(rest)
        if len(words) != 1:
            raise UserError("/save needs the name of a .json file")
        if not self.conversation.turns:
            raise UserError("there is no turn to save")
        system = self.conversation.template.induction.strip()
        write_conversation(Path(words[0]), self.conversation.turns, system)
        note(f"{words[0]}: {len(self.conversation.turns)} turns")

    def do_help(self, rest: str) -> None:
        """Prints the commands."""
        print(HELP, flush=True)


def _words(text: str) -> list[str]:
    """Splits a line into words, as a shell does."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(f"a quotation mark is not closed ({error})") from None
