"""Helpers independent of models and data."""
