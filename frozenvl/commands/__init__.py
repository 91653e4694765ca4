"""Commands of `frozenvl`: one file each, and `experiment.py` for those of Lightning."""
