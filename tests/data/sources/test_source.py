"""The interface of sources."""

from __future__ import annotations

import pytest

from frozenvl.data.sources.source import Source
from frozenvl.prompt import NO_IMAGE, BlackImage, Example, Turn
from frozenvl.util.errors import UserError


class Holes(Source):
    """Source that returns an example only at even indices."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Example:
        return Example(str(index), BlackImage(), str(index), ("text",)) if index % 2 == 0 else None


def test_a_value_that_is_no_example_is_refused_with_class_and_index():
    assert Holes()[2].id == "2"
    with pytest.raises(
        UserError, match=r"test_source.Holes: example 3 is None; its __getitem__ has to return a .*Example"
    ):
        Holes()[3]


class InheritedHoles(Holes):
    """Inherits the checked `__getitem__`."""


def test_the_check_is_inherited():
    with pytest.raises(UserError, match=r"InheritedHoles: example 1 is None"):
        InheritedHoles()[1]


def talk(message, reply, **more) -> Example:
    return Example("1", NO_IMAGE, "1", turns=(Turn(message, reply),), **more)


class Odd(Source):
    """Source that returns or raises what it is given."""

    def __init__(self, result) -> None:
        self.result = result

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Example:
        return self.result()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda: {}["caption"], r"Odd: example 0 raises KeyError: 'caption'"),
        (lambda: None.split(), r"Odd: example 0 raises AttributeError: "),
        (
            lambda: Example("1", BlackImage(), "1", (None,)),
            r"Odd: example 0 has a reference None; every text",
        ),
        (lambda: Example("1", BlackImage(), "1", ("a", 3)), r"Odd: example 0 has a reference 3; every text"),
        (
            lambda: Example("1", BlackImage(), "1", "a dog"),
            r"Odd: example 0 has references that are 'a dog', not",
        ),
        (lambda: Example(1, BlackImage(), "1", ("a",)), r"Odd: example 0 has id 1; every text"),
        (
            lambda: Example("1", BlackImage(), "1", (), "q", None),
            r"Odd: example 0 has answer None; every text",
        ),
        (lambda: talk(("a",), None), r"Odd: example 0 has a reply None; every text"),
        (lambda: talk("a", "b"), r"Odd: example 0 has a message that is 'a', not a tuple"),
        (lambda: talk(("a", 3), "b"), r"Odd: example 0 has a message with 3, which is neither a text nor an"),
        (lambda: talk(("a",), "b", system=None), r"Odd: example 0 has system None; every text"),
        (lambda: Example("1", NO_IMAGE, "1", ("a",)), r"Odd: example 0 has no image; only a conversation"),
    ],
)
def test_a_failure_or_a_value_that_is_no_text_is_one_error_line_with_class_and_index(result, message):
    with pytest.raises(UserError, match=message) as error:
        Odd(result)[0]
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("error", [UserError("bad"), IndexError("end"), OSError("disk")])
def test_other_errors_pass_as_they_are(error):
    def fail():
        raise error

    with pytest.raises(type(error)) as caught:
        Odd(fail)[0]
    assert caught.value is error


def test_the_images_of_an_example_are_its_one_unless_a_source_knows_more():
    class Known(Holes):
        def image_ids(self):
            return ["a", "b"]

    assert Known().all_image_ids() == [("a",), ("b",)] and Holes().all_image_ids() is None
