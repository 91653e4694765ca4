"""Runs the command line: `python -m frozenvl`."""

import sys

from frozenvl.cli import main

sys.exit(main())
