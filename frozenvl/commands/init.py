"""Starts a project of one's own: a configuration, a data source, its test, a README, and small data to try them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

TEMPLATES = Path(__file__).parents[1] / "project"
FILES = {
    "README.md": "README.md",
    "train.yaml": "train.yaml",
    "captions.py": "captions.py.txt",
    "test_captions.py": "test_captions.py.txt",
}
"""File of a project → its template."""
IGNORED = "runs/\n__pycache__/\n.pytest_cache/\nsheet.png\n"
SCENES = 100
"""Number of rendered scenes that stand for photographs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", metavar="DIR", type=Path, help="folder of the project: a new or an empty one"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the project; returns the exit status.

    Raises:
        UserError: if the folder is a file, or not empty.
    """
    from frozenvl.util.whole_folder import whole_folder

    folder = args.folder
    with whole_folder(folder) as made:
        for name, template in FILES.items():
            text = (TEMPLATES / template).read_text(encoding="utf-8")
            (made / name).write_text(text.replace("@NAME@", folder.absolute().name), encoding="utf-8")
        (made / ".gitignore").write_text(IGNORED, encoding="utf-8")
        write_scenes(made / "data")
    print(f"{folder}: {', '.join([*FILES, 'data/'])}")
    print(f"next: cd {folder}; README.md lists the commands")
    return 0


def write_scenes(folder: Path) -> None:
    """Writes rendered scenes and their captions, in the layout of the project's source."""
    from frozenvl.data.sources.scenes import SceneCaptions

    scenes = SceneCaptions(
        "train", SCENES, max_groups=1, max_count=1, sizes=["large"], per_image=1, wordings=1
    )
    (folder / "photographs").mkdir(parents=True)
    rows = []
    for number in range(SCENES):
        example, name = scenes[number], f"{number:04}.png"
        example.image.read().save(folder / "photographs" / name)
        rows.append({"photo": name, "captions": [*example.references]})
    text = json.dumps(rows, indent=1, ensure_ascii=False)
    (folder / "captions.json").write_text(f"{text}\n", encoding="utf-8")
