"""All checks in order, and how a check that fails itself is reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from frozenvl.doctor import installation, machine, media, services, storage
from frozenvl.doctor.finding import Check, Finding

CHECKS: dict[str, Check] = {
    "python": installation.python,
    "packages": installation.versions,
    "processors": machine.processors,
    "accelerators": machine.accelerators,
    "precision": machine.precision,
    "memory": machine.memory,
    "disks": storage.disks,
    "models": storage.models,
    "images": media.images,
    "videos": media.videos,
    "ranks": services.ranks,
    "slurm": services.slurm,
    "java": services.java,
    "hub": services.hub,
}
"""Checks by name, in the order of `frozenvl doctor`."""


def findings(checks: Mapping[str, Check] = CHECKS) -> Iterator[tuple[str, Finding]]:
    """Yields (name of the check, finding). A check that raises is an error itself; the others go on."""
    for name, check in checks.items():
        try:
            for finding in check():
                yield name, finding
        except Exception as error:  # whatever is broken here, the other checks may tell why
            reason = " ".join(str(error).split())[:200]
            yield name, Finding("error", f"this check failed ({type(error).__name__}: {reason})")
