"""Reports of runs: tables, curves and answers on one page. Reads the files of evaluations; needs no torch."""
