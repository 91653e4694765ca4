"""Bridges to other programs' own formats and classes."""
