"""Runs the notebooks with the models of `frozenvl fetch`, and writes each with its outputs as a page of the site.

    python docs/notebooks/execute.py [NAME ...]

`make demo` comes first: two notebooks look at its run. They run in runs/notebooks/NAME, which is made anew.
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

import nbformat
import PIL.Image
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbconvert.writers import FilesWriter

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""Control sequences of terminals."""
WIDTH = 900
"""Largest width of pictures on a page, in pixels."""


def execute(file: Path) -> None:
    """Runs a notebook and writes its page, with pictures in a folder beside it."""
    folder = ROOT / "runs" / "notebooks" / file.stem
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "runs").mkdir(parents=True)
    for run in ("demo", "demo-blind"):
        (folder / "runs" / run).symlink_to(ROOT / "runs" / run)
    notebook = nbformat.read(file, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=1800, coalesce_streams=True, resources=where).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                output.text = last_state(output.text, folder)
            output.get("data", {}).pop("image/jpeg", None)  # a picture of PIL comes as PNG, too
    shutil.rmtree(HERE / f"{file.stem}_files", ignore_errors=True)
    resources = {"output_files_dir": f"{file.stem}_files", "unique_key": file.stem}
    page, resources = MarkdownExporter().from_notebook_node(notebook, resources)
    FilesWriter(build_directory=str(HERE)).write(page, resources, notebook_name=file.stem)
    for path in (HERE / f"{file.stem}_files").glob("*.png"):
        picture = PIL.Image.open(path).convert("RGB")
        picture.thumbnail((WIDTH, 2 * WIDTH))
        picture.quantize(128).save(path, optimize=True)


def last_state(text: str, folder: Path) -> str:
    """Returns what a terminal shows in the end: progress bars at their last state, without colours.

    Paths of this machine, and what libraries say of themselves, are left out.
    """
    plain = ANSI.sub("", text).replace("\r\n", "\n")
    for path, short in ((folder.resolve(), "."), (Path.home(), "~")):
        plain = plain.replace(str(path), short)
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n")]
    return "\n".join(
        line for line in lines if not line.startswith("Loading weights") and "site-packages" not in line
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = sorted(path.stem for path in HERE.glob("*.ipynb"))
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"notebooks (default: all): {', '.join(names)}"
    )
    for name in parser.parse_args().names or names:
        print(name)
        execute(HERE / f"{name}.ipynb")


if __name__ == "__main__":
    main()
