"""Text for a bug report, without personal data."""

from __future__ import annotations

import getpass
import os
import re
import socket
from pathlib import Path


def without_names(text: str) -> str:
    """Replaces the home folder, the current folder, the user's name and the machine's name in a text."""
    for path, short in ((Path.cwd(), "."), (Path.home(), "~")):
        if path != Path(path.anchor):
            text = text.replace(str(path), short)
    for name, word in ((_user(), "USER"), (socket.gethostname(), "HOST")):
        if name:
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", word, text)
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in containers
        return os.environ.get("USER", "")
