"""Decoding options of commands."""

from __future__ import annotations

import argparse

import pytest

from frozenvl.util.decoding import Decoding, add_decoding_arguments, decoding_of
from frozenvl.util.errors import UserError


def parsed(*words: str) -> Decoding:
    parser = argparse.ArgumentParser()
    add_decoding_arguments(parser, 10, "the answer")
    return decoding_of(parser.parse_args(words))


def test_options_of_each_way_to_decode():
    assert parsed() == Decoding(10) and Decoding(10).options == {}
    assert parsed("--num_beams", "3").options == {"num_beams": 3}
    sampled = parsed("--temperature", "0.7", "--top_p", "0.9", "--seed", "4")
    assert sampled.options == {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 0}
    assert sampled.changed(10) == {"temperature": 0.7, "top_p": 0.9, "seed": 4}
    assert sampled.changed(32)["max_new_tokens"] == 10


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"num_beams": 2, "temperature": 1.0}, "choose one of them"),
        ({"top_p": 0.5}, "set a temperature"),
        ({"temperature": -1.0}, "0 or more"),
        ({"max_new_tokens": 0}, "at least one token"),
    ],
)
def test_options_that_do_not_fit_are_one_line(fields, line):
    with pytest.raises(UserError, match=line):
        Decoding(**fields)
