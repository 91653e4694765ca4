"""HTML page of an explanation, and its strongest cells."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from frozenvl.report.comparability import flat
from frozenvl.report.html import environment


def strongest(maps: Mapping[str, Any], place: int, most: int = 3) -> str:
    """Returns the cells of a map with the largest absolute values: row, column (from 1, from the top left) and value.

    Args:
        maps: maps as in explanation.json (`Maps.record`).
        place: index of the map.
        most: number of cells.
    """
    cells = [
        (value, row, column)
        for row, values in enumerate(maps["values"][place], 1)
        for column, value in enumerate(values, 1)
    ]
    ranked = sorted(cells, key=lambda cell: -abs(cell[0]))[:most]
    return "  ".join(f"{row},{column}: {value:+.3g}" for value, row, column in ranked if value)


def explanation_page(record: Mapping[str, Any], pictures: Sequence[bytes]) -> str:
    """Returns the page as HTML. Every text is escaped.

    Args:
        record: content of explanation.json.
        pictures: PNG file of each of its maps.
    """
    texts = lambda known: [
        (key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for key, value in flat(known)
    ]
    return (
        environment()
        .get_template("explanation.html")
        .render(
            record=record,
            pictures=[f"data:image/png;base64,{base64.b64encode(png).decode()}" for png in pictures],
            serious=(),
            minor=(),
            cells=strongest,
            facts=lambda maps: texts({"settings": maps["settings"], "facts": maps["facts"]}),
            provenance=texts(record["provenance"]),
        )
    )
