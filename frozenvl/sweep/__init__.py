"""Sweeps: many runs of one configuration. Any number of workers share them; each run is trained once."""
