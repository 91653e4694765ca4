"""WebDataset tars: random access by an index, a disk cache for remote shards, and writing."""
