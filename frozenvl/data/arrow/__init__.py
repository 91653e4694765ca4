"""Data sets of the library `datasets`: opening them, their columns and texts."""
