"""What a fit will take of memory and time, from its configuration alone."""
