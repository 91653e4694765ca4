"""Keeps the scores that the pages of experiments show: `main_scores.py REPORT/scores.csv > scores.csv`.

A row may have several lines, because an induction text ends with a newline.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

SHOWN = ("overall", "strict", "first_phrase", "CIDEr", "Bleu_4", "ROUGE_L")

with Path(sys.argv[1]).open(encoding="utf-8", newline="") as file:
    rows = csv.DictReader(file)
    kept = csv.DictWriter(sys.stdout, rows.fieldnames or (), lineterminator="\n")
    kept.writeheader()
    kept.writerows(row for row in rows if row["score"] in SHOWN)
