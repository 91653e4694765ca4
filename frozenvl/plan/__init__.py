"""Forecasts memory and time of a fit from its configuration, without loading weights."""
