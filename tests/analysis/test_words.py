"""Words of a text and their tokens."""

import pytest

from frozenvl.analysis.words import Word, words_of


def decode_of(*pieces: bytes):
    """Returns a decoder of tokens that are bytes."""
    return lambda tokens: b"".join(pieces[token] for token in tokens).decode(errors="replace")


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([b" a", b" cir", b"cle"], [("a", (0,)), ("circle", (1, 2))]),
        (
            [b" ", b"red", b".", b" "],
            [("red.", (0, 1, 2, 3))],
        ),  # white space goes with the next word, or the last
        ([b"New York", b" is"], [("New York", (0,)), ("is", (1,))]),  # a token of two words
        ([b"caf", b"\xc3", b"\xa9", b" no"], [("café", (0, 1, 2)), ("no", (3,))]),  # a letter of two tokens
        (["猫在".encode(), "这".encode()], [("猫在", (0,)), ("这", (1,))]),  # no spaces between words
        ([b" ", b"\n"], []),
        ([], []),
    ],
)
def test_each_token_belongs_to_one_word(pieces, words):
    assert words_of(range(len(pieces)), decode_of(*pieces)) == [Word(*word) for word in words]
