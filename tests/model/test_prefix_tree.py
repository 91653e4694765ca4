"""Common beginnings of rows."""

import pytest
import torch

from frozenvl.model.prefix_tree import PrefixTree


def tree(*rows: str) -> PrefixTree:
    """Returns the tree of rows of one letter a position."""
    width = max(map(len, rows))
    contents = torch.tensor([[ord(letter) for letter in row.ljust(width)] for row in rows])
    return PrefixTree.of(contents[..., None], torch.tensor([len(row) for row in rows]))


@pytest.mark.parametrize(
    ("rows", "order", "shared"),
    [
        (("abc",), (0,), (0,)),
        (("abc", "xyz"), (0, 1), (0, 0)),
        (("abd", "xyz", "abc"), (2, 0, 1), (2, 0, 0)),
        (("abc", "ab", "abcd"), (1, 0, 2), (2, 0, 3)),
        (("ab", "ab"), (0, 1), (0, 2)),
        (("abx", "acx", "abx"), (0, 2, 1), (0, 1, 3)),
        (("", "a", "a"), (0, 1, 2), (0, 0, 1)),
    ],
)
def test_each_row_shares_the_longest_beginning(rows, order, shared):
    found = tree(*rows)
    assert (found.order, found.shared) == (order, shared)
    assert found.saved == sum(shared)


def test_padding_is_no_content():
    contents = torch.tensor([[1, 2, 0, 0], [1, 2, 0, 5]])[..., None]
    assert PrefixTree.of(contents, torch.tensor([2, 4])).shared == (0, 2)


def test_every_part_of_a_position_counts():
    contents = torch.tensor([[[1, 7], [2, 7]], [[1, 7], [2, 8]]])
    assert PrefixTree.of(contents, torch.tensor([2, 2])).shared == (0, 1)


def test_behind_a_soft_prompt_all_rows_begin_alike():
    found = tree("abd", "xyz", "abc").behind(10)
    assert (found.order, found.shared) == ((2, 0, 1), (12, 10, 0))
