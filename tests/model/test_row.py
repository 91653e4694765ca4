"""Rows of a batch, position by position."""

from __future__ import annotations

from frozenvl.model.batch import IGNORE
from frozenvl.model.row import BLANK, Row, padded


def test_positions_see_the_last_image_so_far_and_targets_are_learned_one_position_earlier():
    row = Row()
    row.add([7])
    row.image = 2
    row.add([0, 0], [4, 5])
    row.add([8])
    row.marked[len(row.tokens)] = 1
    row.add([0])
    row.add_target([30, 31, 2])
    assert row.columns() == (
        [7, 0, 0, 8, 0, 30, 31],
        [-1, 4, 5, -1, -1, -1, -1],
        [IGNORE, IGNORE, IGNORE, IGNORE, 30, 31, 2],
        [-1, 2, 2, 2, 2, 2, 2],
        [-1, -1, -1, -1, 1, -1, -1],
    )


def test_rows_are_padded_to_the_longest():
    long, short = Row(), Row()
    long.add([5, 6, 7])
    short.add([9])
    columns = padded([long, short])
    assert columns.shape == (2, 5, 3)
    assert columns[0, 0].tolist() == [5, 6, 7] and columns[1, 0].tolist() == [9, BLANK[0], BLANK[0]]
    assert columns[1, :, 1].tolist() == columns[1, :, 2].tolist() == [*BLANK]
    assert padded([]).shape == (0, 5, 0)
