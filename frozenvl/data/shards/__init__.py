"""WebDataset tars: read by index, from a disk or through a cache from any store; and written."""
