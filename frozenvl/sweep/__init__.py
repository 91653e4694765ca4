"""Sweeps: many runs of one recipe, shared by any number of workers, each run exactly once."""
