"""Benchmarks, a file for each."""
