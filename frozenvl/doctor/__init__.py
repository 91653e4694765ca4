"""Checks of the installation and the machine, for `frozenvl doctor`."""

from frozenvl.doctor.checks import CHECKS, findings
from frozenvl.doctor.finding import Finding, Level

__all__ = ["CHECKS", "Finding", "Level", "findings"]
