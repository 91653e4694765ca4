"""Import rules of the package's folders, no import cycles, a test file for each module (docs/architecture.md)."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import frozenvl

PACKAGE = Path(frozenvl.__file__).parent
NEVER = {
    "data": ("frozenvl.training", "frozenvl.evaluation", "lightning"),
    "model": (
        "lightning",
        "frozenvl.data",
        "frozenvl.objectives",
        "frozenvl.training",
        "frozenvl.evaluation",
    ),
    "objectives": ("lightning", "frozenvl.data", "frozenvl.training", "frozenvl.evaluation"),
    "analysis": ("lightning", "frozenvl.data", "frozenvl.training", "frozenvl.evaluation"),
    "images": ("torch",),
    "prompt": ("torch",),
    "wording": ("torch",),
    "report": ("torch", "lightning", "transformers"),
    "sweep": ("torch", "lightning", "transformers"),
    "video": ("torch", "frozenvl.model", "frozenvl.data", "frozenvl.training", "frozenvl.evaluation"),
    "util": ("frozenvl.model", "frozenvl.data", "frozenvl.training", "frozenvl.evaluation"),
}
"""Folder → modules that it must not import, directly or through another module."""


def modules() -> dict[str, Path]:
    """Returns the modules of the package: dotted name → file."""
    named = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        named[".".join(parts).removesuffix(".__init__")] = path
    return named


MODULES = modules()


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imported(module: str, late: bool) -> set[str]:
    """Returns the modules that a module imports at the top; with `late`, also those that its functions import."""
    names: set[str] = set()

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not late:
                continue
            if isinstance(child, ast.Import):
                names.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                names.add(child.module)
                names.update(f"{child.module}.{alias.name}" for alias in child.names)
            walk(child)

    walk(tree(module))
    own = {name for name in names if name in MODULES}
    # Importing a module imports the packages above it first.
    own |= {".".join(name.split(".")[:end]) for name in own for end in range(2, name.count(".") + 1)}
    return (own & MODULES.keys()) | {name for name in names if not name.startswith("frozenvl")}


@cache
def reached(module: str) -> frozenset[str]:
    """Returns all modules that importing a module imports; libraries by their top-level names."""
    found, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += imported(name, late=False) if name in MODULES else []
    return frozenset(found - {module})


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def within(name: str, forbidden: str) -> bool:
    return name == forbidden or name.startswith(f"{forbidden}.")


@pytest.mark.parametrize("name", NEVER)
def test_a_folder_never_imports_forbidden_modules(name):
    broken = {
        (module, found)
        for module in MODULES
        if room(module) == name
        for found in reached(module)
        if any(within(found, forbidden) for forbidden in NEVER[name])
    }
    assert not broken


def test_metrics_import_nothing_of_the_package_but_its_errors():
    own = {
        m: {n for n in imported(m, late=True) if n.startswith("frozenvl")}
        for m in MODULES
        if room(m) == "metrics"
    }
    allowed = {"frozenvl.util", "frozenvl.util.errors", "frozenvl.metrics"}
    assert not {(m, n) for m, names in own.items() for n in names - allowed if room(n) != "metrics"}


def test_nothing_imports_a_command():
    assert not {
        (m, n)
        for m in MODULES
        for n in imported(m, late=True)
        if within(n, "frozenvl.commands.") or (n.startswith("frozenvl.commands.") and n != m)
    }


def test_no_import_cycle():
    """Depth-first search: a module that occurs twice on a path closes a cycle."""
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path[path.index(module) :], module))
        if module in done:
            return
        for name in sorted(imported(module, late=False) & MODULES.keys()):
            # The packages above a module are imported before it.
            if name != module and not module.startswith(f"{name}."):
                walk(name, (*path, module))
        done.add(module)

    for module in sorted(MODULES):
        walk(module, ())


def test_few_files_at_the_top():
    assert sorted(path.name for path in PACKAGE.glob("*.py")) == [
        "__init__.py", "__main__.py", "cli.py", "images.py", "prompt.py", "wording.py",
    ]  # fmt: skip


FORMER = (
    *("frozenvl.data.support.Shots", "frozenvl.data.support.NewWords"),
    *(
        f"frozenvl.model.mapper.{name}"
        for name in ("Linear", "MLP", "PatchLinear", "PixelShuffle", "Resampler", "Transformer")
    ),
    *(
        f"frozenvl.model.tuning.{name}"
        for name in ("Adapters", "Finetuned", "LoRA", "PrefixTuning", "PromptTuning")
    ),
    *(
        f"frozenvl.model.vision.{name}"
        for name in ("HFEncoder", "Precomputed", "TimmEncoder", "TorchvisionEncoder")
    ),
    *(
        f"frozenvl.evaluation.{name}"
        for name in ("Captions", "EpisodeVQA", "FewShotVQA", "Naming", "Fixed", "MostSimilar", "PerQuestion")
    ),
    *(
        f"frozenvl.data.sources.scenes.{name}"
        for name in ("SceneCaptions", "SceneEpisodes", "SceneObjects", "SceneQuestions")
    ),
    *("frozenvl.data.sources.coco.CocoCaptions", "frozenvl.data.sources.vqa.VQAQuestions"),
    *("frozenvl.data.sources.frozen_bench.FrozenBenchmark", "frozenvl.data.sources.shards.Shards"),
    *("frozenvl.data.sources.labelled.LabelledImages", "frozenvl.data.sources.labelled.LabelledEpisodes"),
    *("frozenvl.data.sources.aokvqa.AOKVQAQuestions", "frozenvl.data.sources.lxmert.LxmertQuestions"),
    "frozenvl.data.sources.karpathy.KarpathyCaptions",
)
"""Class paths in configurations that were published before the package had its present folders."""


@pytest.mark.parametrize("path", FORMER)
def test_class_paths_of_published_configurations_stay(path):
    from jsonargparse._util import import_object

    assert isinstance(import_object(path), type)


UNTESTED = {
    "frozenvl.__main__": "calls the command line, which tests/test_cli.py runs",
    "frozenvl.data.support": "re-exports class paths of published configurations: FORMER",
    "frozenvl.model.mapper": "re-exports class paths of published configurations: FORMER",
}
"""Modules without a test file → reason."""


def file_of_tests(module: str) -> Path:
    """Returns the test file of a module: `tests/a/test_b.py` for `frozenvl/a/b.py`."""
    *folders, name = module.split(".")[1:]
    return Path(__file__).parent.joinpath(*folders, f"test_{name}.py")


def test_each_module_has_its_test_file():
    modules = {module for module, path in MODULES.items() if path.name != "__init__.py"}
    assert UNTESTED.keys() <= modules
    assert {module for module in modules if not file_of_tests(module).is_file()} == UNTESTED.keys()
