"""Callbacks of every fit."""
