"""Training with Lightning: the module, the data module, their command line and callbacks."""
