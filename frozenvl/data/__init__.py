"""Bytes on disk to samples, in an order that is a pure function."""
