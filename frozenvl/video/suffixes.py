"""Suffixes of video files."""

from __future__ import annotations

VIDEO_SUFFIXES = ("mp4", "webm", "mkv", "mov", "avi", "m4v", "mpg", "mpeg", "wmv", "flv", "3gp", "ogv", "ts")
"""Suffixes of video files, without their dots."""
CLIP_ENDINGS = frozenset(f".{suffix}" for suffix in VIDEO_SUFFIXES)
"""Suffixes of video files, with their dots."""
