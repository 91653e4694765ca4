"""Prompts and the examples that they are made from."""

from frozenvl.prompt import (
    NO_IMAGE,
    BlackImage,
    Delimiter,
    Example,
    Learned,
    Sample,
    Turn,
    black,
    joined,
    with_images,
    without_images,
)

ONE, TWO, THREE = (BlackImage(size, str(size)) for size in (1, 2, 3))


def test_images_are_changed_and_text_is_not():
    sample = Sample("s", (ONE, "text", TWO), "target")
    assert sample.images == (ONE, TWO)
    assert sample.with_images(lambda image: THREE) == Sample("s", (THREE, "text", THREE), "target")
    assert with_images(("a", ONE), black) == ("a", BlackImage())


def test_texts_are_joined_where_images_are_left_out():
    assert without_images(("a ", ONE, "b", TWO)) == ("a b",)
    assert without_images((ONE, TWO)) == without_images(()) == ()


def test_delimiters_stay_where_images_are_left_out():
    opening, reply = Delimiter("opening"), Delimiter("reply")
    assert without_images((opening, ONE, "a", Learned("b"), reply)) == (opening, "ab", reply)


def test_learned_texts_and_delimiters_separate_texts():
    learned = Learned("c")
    assert joined(["a", "b", "", learned, "d", Delimiter("next"), "e"]) == (
        "ab",
        learned,
        "d",
        Delimiter("next"),
        "e",
    )


def test_a_conversation_has_the_images_of_its_turns_and_its_last_reply_as_target():
    turns = (Turn((ONE, "what?"), "a cat"), Turn(("and ", TWO, ONE), "a dog"))
    example = Example("x", ONE, "1", turns=turns, system="Be short.")
    assert example.images == (ONE, TWO) and example.targets == ("a dog",)
    assert {"what?", "a cat", "and ", "a dog", "Be short."} <= {*example.texts}
    assert Example("y", NO_IMAGE, "", turns=(Turn(("hello",), "hi"),)).images == ()
