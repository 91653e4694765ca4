"""Checks of Python and of the installed packages."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from frozenvl.doctor.finding import Finding

SHOWN = ("torch", "torchvision", "lightning", "transformers", "peft", "timm", "numpy", "pillow", "av")
"""Packages whose versions are printed: most problems of an installation come from these."""


def python() -> Iterator[Finding]:
    """Tells the versions of Python, the system and frozenvl."""
    from frozenvl import __version__

    yield Finding(
        "ok", f"frozenvl {__version__}, Python {platform.python_version()}, {platform.system()} "
        f"{platform.machine()}"
    )  # fmt: skip


def versions() -> Iterator[Finding]:
    """Tells the versions of the most important packages, and finds requirements of installed packages that are not met.

    It follows requirements from frozenvl on, so that packages of other projects in the same environment do not count.
    """
    names = []
    for name in SHOWN:
        try:
            names.append(f"{name} {distribution(name).version}")
        except PackageNotFoundError:
            continue  # `unmet` reports it
    yield Finding("ok", ", ".join(names))
    bad = False
    for owner, requirement, found in unmet("frozenvl"):
        bad = True
        state = f"{found} is installed" if found else "it is not installed"
        yield Finding(
            "error" if owner == "frozenvl" or not found else "warning",
            f"{owner} needs {requirement}, and {state}",
            f"pip install '{requirement}'",
        )
    if not bad:
        yield Finding("ok", "all requirements of the installed packages are met")


def unmet(root: str) -> Iterator[tuple[str, str, str]]:
    """Yields (package, requirement, installed version or "") of requirements that are not met.

    Args:
        root: distribution from which requirements are followed. Optional ones (extras) are not.
    """
    todo, seen = [canonicalize_name(root)], {canonicalize_name(root)}
    while todo:
        owner = todo.pop(0)
        for requirement in requirements(distribution(owner)):
            name = canonicalize_name(requirement.name)
            try:
                version = distribution(requirement.name).version
            except PackageNotFoundError:
                yield owner, plain(requirement), ""
                continue
            if not requirement.specifier.contains(version, prereleases=True):
                yield owner, plain(requirement), version
            if name not in seen:
                seen.add(name)
                todo.append(name)


def plain(requirement: Requirement) -> str:
    """Returns a requirement as pip takes it, without its marker."""
    return f"{requirement.name}{requirement.specifier}"


def requirements(owner: Distribution) -> Iterator[Requirement]:
    """Yields what a distribution requires on this machine, without extras."""
    for text in owner.requires or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:  # an old package; pip has accepted it
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement
