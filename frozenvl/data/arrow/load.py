"""Opens data sets with the library `datasets`: Parquet and Arrow files, saved folders, image folders, hub names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frozenvl.data.arrow.first_rows import can_stream, check_first, first_rows
from frozenvl.pretrained.names import offline_unless_reachable
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""Tables of texts beside the images of an image folder."""
SPLITS = {
    "train": "train|training",
    "validation": "validation|valid|val|dev",
    "test": "test|testing|eval|evaluation",
}
"""Split → words in the names of its files and folders, as `datasets` has them."""
FIRST_BYTES = {"parquet": b"PAR1", "arrow": b""}


def library() -> Any:
    """Imports the library `datasets`.

    Raises:
        UserError: if it is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise UserError(
            "HuggingFaceData needs the library datasets; install it with `pip install 'frozenvl[datasets]'`"
        ) from None
    return datasets


def open_dataset(
    path: str, split: str | None = None, subset: str | None = None, first: int | None = None
) -> tuple[Dataset, Path]:
    """Opens a data set. Its rows stay on disk: they are memory-mapped. Parquet is converted to Arrow once, in the
    cache of the library.

    Args:
        path: file, glob or folder, or a name on the Hugging Face hub. Local files come first.
        split: split, or several joined by "+"; by default the only one.
        subset: configuration of the data set, if it has several.
        first: number of rows to read, from the beginning; by default all. Of Parquet files and of the hub, only these
            are downloaded and stored.

    Returns:
        The data set, and the folder to which its paths of images are relative.

    Raises:
        UserError: if the library is missing, there is no such data set, or it has several splits and none is named.
    """
    check_first(first)
    datasets = library()
    place = Path(path).expanduser()
    with failures(path):
        if path.strip() and (place.exists() or set(path) & set("*?[")):
            with _quietly():
                return _open_local(datasets, path, place, split, subset, first)
        if place.is_absolute() or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", path) or path.startswith("."):
            raise UserError(f"{path}: no such file or folder; name the data's folder with --data.root")
        with offline_unless_reachable(), _offline_as_the_hub():
            return _load(datasets, path, split, first, path, subset), Path(path)


def _open_local(
    datasets: Any, path: str, place: Path, split: str | None, subset: str | None, first: int | None
) -> tuple[Dataset, Path]:
    if place.name in METADATA:
        place = place.parent
    if place.is_dir():
        return _open_folder(datasets, path, place, split, subset, first), place
    below = place.relative_to(place.anchor)
    files = [place] if place.is_file() else sorted(Path(place.anchor).glob(str(below)))
    files = [file for file in files if not _is_hidden(file.name)]
    if not files:
        raise UserError(f"{path}: matches no files")
    return _of_files(datasets, path, _by_split(path, files), split, first), files[0].parent


def _open_folder(
    datasets: Any, path: str, place: Path, split: str | None, subset: str | None, first: int | None
) -> Dataset:
    if (place / "dataset_dict.json").is_file() or (place / "state.json").is_file():
        return _cut(_of_split(datasets, path, datasets.load_from_disk(str(place)), split), first)
    if tables := _metadata(place):
        if len(tables) > 1:
            raise UserError(f"{path}: has {' and '.join(tables)}; keep one of them")
        found = datasets.load_dataset("imagefolder", data_dir=str(place))
        return _cut(_of_split(datasets, path, found, split), first)
    if subset or _has_configurations(place):
        return _load(datasets, path, split, first, str(place), subset)
    files = sorted(file for kind in FIRST_BYTES for file in place.rglob(f"*.{kind}"))
    files = [file for file in files if not _is_hidden(*file.relative_to(place).parts)]
    if not files:
        from frozenvl.data.detect import hint

        raise UserError(
            f"{path}: holds no Parquet or Arrow files, no saved data set and no {METADATA[1]}; {hint(place)}"
        )
    return _of_files(datasets, path, _by_split(path, files, place), split, first)


def _metadata(folder: Path) -> list[str]:
    """Returns the names of an image folder's tables, in the folder or in its subfolders."""
    return [
        name
        for name in METADATA
        if any(next(folder.glob(f"{below}{name}"), None) for below in ("", "*/", "*/*/"))
    ]


def _is_hidden(*names: str) -> bool:
    return any(name.startswith(".") for name in names)


def _by_split(path: str, files: Sequence[Path], root: Path | None = None) -> dict[str, list[Path]]:
    """Groups files by the split that their paths name; all are `train` if none names one.

    Raises:
        UserError: if the files of a split below `root` are in several folders.
    """
    splits: dict[str, list[Path]] = {}
    for file in files:
        own = file.relative_to(root) if root else Path(file.name)
        splits.setdefault(_split_of(own.as_posix()), []).append(file)
    for name, members in splits.items():
        folders = sorted({str(file.parent) for file in members})
        if root and len(folders) > 1:
            raise UserError(
                f"{path}: split {name!r} lies in several folders ({', '.join(folders[:5])}); name one of them, "
                f"or give a glob such as '{path}/**/*.parquet' to read all"
            )
    return splits


def _split_of(file: str) -> str:
    if match := re.search(r"(?:^|/)([A-Za-z]\w*)-\d{5}-of-\d{5}[^/]*$", file):
        return match[1]
    for name, words in SPLITS.items():
        if re.search(rf"(?:^|[^A-Za-z0-9])(?:{words})(?:[^A-Za-z0-9]|$)", file):
            return name
    return "train"


def _load(
    datasets: Any, path: str, split: str | None, first: int | None, name: str, subset: str | None
) -> Dataset:
    """Returns the chosen splits of a data set on the hub, or of a clone of one."""
    if first is not None:
        builder = datasets.load_dataset_builder(name, subset)
        if can_stream(builder):
            return first_rows(
                datasets, builder, _chosen(path, list(builder.as_streaming_dataset()), split), first
            )
    return _cut(_of_split(datasets, path, datasets.load_dataset(name, subset), split), first)


def _cut(dataset: Dataset, first: int | None) -> Dataset:
    return dataset if first is None else dataset.select(range(min(first, len(dataset))))


def _of_files(
    datasets: Any, path: str, splits: dict[str, list[Path]], split: str | None, first: int | None
) -> Dataset:
    parts = []
    chosen = _chosen(path, list(splits), split)
    for file in (file for name in chosen for file in splits[name]):
        _expect_table(file)
    if first is not None and all(file.suffix == ".parquet" for name in chosen for file in splits[name]):
        files = {name: [str(file) for file in splits[name]] for name in chosen}
        return first_rows(datasets, datasets.load_dataset_builder("parquet", data_files=files), chosen, first)
    for name in chosen:
        tables = [str(file) for file in splits[name] if file.suffix == ".parquet"]
        if tables:
            parts.append(datasets.Dataset.from_parquet(tables))
        parts += [datasets.Dataset.from_file(str(file)) for file in splits[name] if file.suffix == ".arrow"]
    return _cut(datasets.concatenate_datasets(parts), first)


def _expect_table(file: Path) -> None:
    """Raises `UserError` if a file is not a Parquet or Arrow file."""
    kind = file.suffix.removeprefix(".")
    if kind not in FIRST_BYTES:
        from frozenvl.data.detect import hint

        raise UserError(f"{file}: not a Parquet or Arrow file; {hint(file)}")
    with file.open("rb") as opened:
        start = opened.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise UserError(f"{file}: a pointer of Git LFS, not the data; fetch it with `git lfs pull`")
    if not start or not start.startswith(FIRST_BYTES[kind]):
        raise UserError(f"{file}: {'not a Parquet file' if start else 'it is empty'}; download it again")


def _of_split(datasets: Any, path: str, found: Any, split: str | None) -> Dataset:
    """Returns the chosen splits of what `datasets` loaded."""
    if not isinstance(found, dict):
        if split:
            raise UserError(f"{path}: has no splits; leave out --split {split}")
        return found
    return datasets.concatenate_datasets([found[name] for name in _chosen(path, list(found), split)])


def _chosen(path: str, names: Sequence[str], split: str | None) -> list[str]:
    chosen = split.split("+") if split else list(names)
    if not split and len(names) > 1:
        raise UserError(f"{path}: has the splits {', '.join(names)}; choose with --split {names[0]}")
    if unknown := [name for name in chosen if name not in names]:
        raise UserError(f"{path}: has no split {unknown[0]!r}; it has {', '.join(names)}")
    return chosen


def _has_configurations(folder: Path) -> bool:
    """Tells whether a clone of a hub repository says in its README which files belong together."""
    readme = folder / "README.md"
    return readme.is_file() and "\nconfigs:" in readme.read_text(encoding="utf-8", errors="replace")


@contextmanager
def failures(path: str) -> Iterator[None]:
    """Context manager: turns the exceptions of `datasets` and pyarrow into a `UserError` of one line."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        causes = [error]
        while (cause := causes[-1].__cause__ or causes[-1].__context__) and cause not in causes:
            causes.append(cause)  # type: ignore[arg-type]
        names = {type(cause).__name__ for cause in causes}
        if names & {
            "OfflineModeIsEnabled",
            "DatasetNotFoundError",
            "ConnectionError",
            "LocalEntryNotFoundError",
        }:
            reason = (
                "no such file or folder, not in the cache of the library datasets, and the Hugging Face hub "
            )
            reason += "has no such data set or cannot be reached"
        else:
            message = " ".join(str(causes[-1] if "DatasetGenerationError" in names else error).split())
            advice = "; choose with --subset" if "Config name is missing" in message else ""
            reason = f"cannot be read ({message[:300]}){advice}"
        raise UserError(f"{path}: {reason}") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Context manager: `datasets` logs nothing, and reports no use of its readers to its server."""
    from datasets import config
    from datasets.utils import logging

    counts, level = config.HF_UPDATE_DOWNLOAD_COUNTS, logging.get_verbosity()
    config.HF_UPDATE_DOWNLOAD_COUNTS = False
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        config.HF_UPDATE_DOWNLOAD_COUNTS = counts
        logging.set_verbosity(level)


@contextmanager
def _offline_as_the_hub() -> Iterator[None]:
    """Context manager: `datasets` is offline where the hub's client is."""
    from datasets import config
    from huggingface_hub import constants

    before = config.HF_HUB_OFFLINE
    config.HF_HUB_OFFLINE = before or constants.HF_HUB_OFFLINE
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before
