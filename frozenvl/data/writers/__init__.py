"""Writers of data sets in public layouts."""
