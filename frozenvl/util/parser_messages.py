"""Messages of jsonargparse as error lines: the innermost one behind its key, and the name that was probably meant."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence

from frozenvl.util.errors import UserError

NOISE = re.compile(
    r" (- Expected a <class 'NoneType'>|Given value type:|Given value:|- Expected a path but|Subtypes:|Errors:"
    r"|Does not validate against any of the Union subtypes).*?(?= - (?!Expected a (path|<class 'NoneType'>))|$)"
)
"""Parts of jsonargparse's messages that do not help the user."""


def one_line(message: str) -> str:
    """Returns `KEY: MESSAGE` from jsonargparse's nested messages, with the innermost message."""
    folded = " ".join(message.split())
    if linked := re.match(r"argument \S+\((\w+)\) --> ([\w.]+): ", folded):
        return f"{linked[2]} is set by --{linked[1]}; give that instead"
    keys = re.findall(r'Parser key "([^"]+)"', folded)
    nested = re.search(r"NestedArg\(key='([^']+)'", folded)
    innermost = folded[folded.rfind("Problem with") :] if "Problem with" in folded else folded
    innermost = " ".join(NOISE.sub("", innermost).split())
    innermost = re.sub(r"Type \S.*? expects a function or a callable class: ", "", innermost)
    innermost = re.sub(r"(is not accepted)\.? Got value: Namespace.*", r"\1", innermost)
    where = ".".join([keys[0], *([nested[1]] if nested else [])]) if keys else ""
    if where:
        own_prefix = re.compile(rf'^(Parser key "{re.escape(keys[0])}":)?[- ]*')
        innermost = f"{where}: {own_prefix.sub('', innermost)}"
    given = re.search(r"Given value type: <class 'str'> Given value: (\S+)", folded)
    if given and given[1] not in innermost:
        innermost = innermost.replace("Import path does", f"{given[1]} does")
    if "does not correspond to a subclass" in innermost:
        innermost += "; name one"
    if "Expected a dot import path" in innermost and re.fullmatch(r"model\.objectives\.\w+\.\w+", where):
        parent = where.rpartition(".")[0]
        return f"{where}: the configuration names no class for {parent}; give {parent}.class_path, too"
    if re.search(r"No module named|Expected a dot import path|has no attribute", innermost):
        innermost += "; name a class by the path from which Python imports it, package.module.Class"
    innermost += suggestion(folded)
    return innermost if len(innermost) <= 400 else innermost[:397] + "…"


def refused_by_class(message: str) -> str | None:
    """Returns jsonargparse's message about a class that refuses its arguments as one line; None for other messages."""
    found = re.search(r"Errors: - (.+?) - Not a valid subclass of (\w+)", " ".join(message.split()))
    return f"a {found[2]} in the configuration refuses its arguments: {found[1]}" if found else None


def unknown_key(key: str, known: Sequence[str]) -> UserError:
    """Returns the error for an unknown key, with the known key that was probably meant."""
    same_ending = [name for name in known if name.rpartition(".")[2] == key.rpartition(".")[2]]
    remedy = f"did you mean {same_ending[0]}?" if same_ending else nearest(key, known)
    if remedy.startswith("there are"):
        remedy = "`frozenvl fit --help` lists the keys"
    return UserError(f"{key} is not in the configuration; {remedy}")


def suggestion(message: str) -> str:
    """Returns what was probably meant in a message of jsonargparse about a class or an argument that does not exist.

    Returns:
        "; did you mean MLP?", or an empty text where nothing is known.
    """
    if found := re.search(r"module '([\w.]+)' has no attribute '(\w+)'", message):
        module = sys.modules.get(found[1])
        classes = [name for name, value in vars(module or object).items() if isinstance(value, type)]
        known = list(getattr(module, "__all__", classes))
    elif found := re.search(r"Option '(\w+)' is not accepted", message):
        pattern = r"class_path[=' ]+([\w.]+)"
        # The class that refuses the option is the last one named before it.
        paths = re.findall(pattern, message[: found.start()]) or re.findall(pattern, message)[:1]
        module_name, _, name = paths[-1].rpartition(".") if paths else ("", "", "")
        kind = getattr(sys.modules.get(module_name), name, None)
        known = (
            [key for key in inspect.signature(kind).parameters if key not in ("args", "kwargs")]
            if kind
            else []
        )
    else:
        return ""
    return f"; {nearest(found[found.re.groups], known)}" if known else ""


def nearest(word: str, known: Sequence[str]) -> str:
    """Returns a suggestion for an error line: the closest known word, or all of them."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
