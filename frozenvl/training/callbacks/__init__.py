"""Callbacks that every run has: logs, reports and scores."""
