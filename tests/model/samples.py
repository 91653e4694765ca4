"""Samples of all kinds, and a support set as a shared prefix of prompts."""

from painted import Painted

from frozenvl.prompt import Sample

RED, BLUE, WIDE = Painted("red"), Painted("blue", (32, 32)), Painted("green", (60, 20))
SAMPLES = [
    Sample("caption", (RED,), "a large red circle"),
    Sample("question", (BLUE, "Question: what color is the circle? Answer:"), " blue"),
    Sample("middle", ("This is", WIDE, "a dax."), " yes"),
    Sample("two images", (RED, "a\n", BLUE, "This"), " is a dax."),
    Sample("no image", ("How many",), " squares are there? 3"),
]
SUPPORT = (RED, "This is a dax.\n", BLUE, "This is a blicket.\n")


def join(lead, rest):
    """Joins prefix and remainder of a prompt, and texts that meet, as a template does."""
    if lead and rest and isinstance(lead[-1], str) and isinstance(rest[0], str):
        return (*lead[:-1], lead[-1] + rest[0], *rest[1:])
    return lead + rest
