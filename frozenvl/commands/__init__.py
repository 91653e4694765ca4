"""The small commands that stand beside Lightning's own: one file each."""
