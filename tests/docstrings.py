"""Lists docstrings and comments that do not stand alone, such as "Of the whole fit."; a part of `make check`.

python tests/docstrings.py [FOLDER or FILE ...]     exit status 1 if there are any
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

TAIL_WORDS = (
    "Of|That|Those|Whose|Which|Its|Their|To|From|In|At|By|For|With|Without|Into|Onto|Between|Below|Beside|Among|As|Than"
    "|Such|So|And|But|Or|Else|Also|Not|Mostly|Empty|Where|When|While|Because|Since|Until|Before|After"
)
TAIL = re.compile(rf"({TAIL_WORDS})\b(?! (e\.g\.|example))")
"""A docstring that begins so goes on with the sentence that a name began."""
ARGUMENT_TAIL = re.compile(
    r"^ +(\w+): (of|that|those|whose|which|its|from|to|in|at|by|with|without|as|where|when) ", re.MULTILINE
)
"""The same in a line of `Args:`."""
RIDDLE = re.compile(r"\b(that of|those which|such as are|of which \w+ alone|for the moment)\b", re.IGNORECASE)


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the text of each docstring, below modules, classes, functions and attributes."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    """The line and the text of each comment."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def problems(source: str) -> Iterator[tuple[int, str]]:
    """The line of each docstring or comment that does not stand alone, and what is wrong with it."""
    for line, text in docstrings(ast.parse(source)):
        if TAIL.match(text):
            yield line, f"begins as the tail of a sentence: {text.splitlines()[0]}"
        for found in ARGUMENT_TAIL.finditer(text):
            yield line, f"the words on {found[1]} begin as the tail of a sentence: {found[0].strip()} ..."
        if found := RIDDLE.search(text):
            yield line, f"says {found[0]!r}; name the thing"
    for line, text in comments(source):
        if found := RIDDLE.search(text):
            yield line, f"says {found[0]!r}; name the thing"


def main(paths: list[str]) -> int:
    """Prints a line for each problem; returns the exit status."""
    files = [
        file
        for path in map(Path, paths)
        for file in ([path] if path.is_file() else sorted(path.rglob("*.py")))
    ]
    lines = [f"{file}:{line}: {told}" for file in files for line, told in sorted(problems(file.read_text()))]
    print(*lines, sep="\n", end="\n" if lines else "")
    print(f"{len(lines)} docstrings and comments do not stand alone in {len(files)} files")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["frozenvl"]))
