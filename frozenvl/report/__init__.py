"""Reports of runs: tables, curves and answers on one page. Reads what evaluations left; needs no torch."""
