"""Predictions kept batch by batch, so that an interrupted evaluation goes on where it stopped."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from frozenvl.evaluation.session import Context
from frozenvl.util.distributed import gather
from frozenvl.util.errors import UserError
from frozenvl.util.files import cannot_write, read_json, read_lines, write_atomically

if TYPE_CHECKING:
    from frozenvl.evaluation.benchmark import Record


class Parts:
    """The predictions of this rank, and those that an earlier run of the same evaluation left.

    Args:
        context: where.
        name: of the evaluation.
        fingerprint: of all that the predictions depend on: those of another are not used.
    """

    def __init__(self, context: Context, name: str, fingerprint: str) -> None:
        self.folder, self.fingerprint, self.context = context.folder / name, fingerprint, context
        self.mine: dict[str, Record] = {}
        self.known: dict[str, Record] = {}
        if context.resumable:  # one rank looks, since the others might see less, or more
            self.known = gather(dict(self._read()) if context.rank == 0 else {})[0]
        self._file = self.folder / f"part-{uuid.uuid4().hex[:8]}.jsonl"

    def _read(self) -> Iterator[tuple[str, Record]]:
        if self._finished():
            yield from ((row["id"], row) for row in read_lines(self.folder / "predictions.jsonl"))
        for path in sorted(self.folder.glob("part-*.jsonl")):
            rows = read_lines(path)
            if next(rows, None) == {"fingerprint": self.fingerprint}:
                yield from ((row["id"], row) for row in rows)

    def _finished(self) -> bool:
        try:
            return read_json(self.folder / "score.json")["fingerprint"] == self.fingerprint
        except (UserError, KeyError, TypeError):  # none, or none of ours: it is written anew
            return False

    def add(self, records: dict[str, Record]) -> None:
        """Keeps the records of a batch."""
        self.mine |= records
        if not self.context.resumable:
            return
        if not self._file.exists():
            write_atomically(self._file, as_line({"fingerprint": self.fingerprint}))
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write("".join(map(as_line, records.values())))
        except OSError as error:
            raise cannot_write(self._file, error) from None

    def remove(self) -> None:
        """What was kept is no longer needed."""
        if self.context.resumable and self.context.rank == 0:
            for path in self.folder.glob("part-*.jsonl"):
                path.unlink()


def as_line(row: Any) -> str:
    """A line of JSON Lines. What Unicode takes for a line's end, too, stands escaped."""
    text = json.dumps(row, ensure_ascii=False)
    if len(text.splitlines()) > 1:
        text = json.dumps(row)
    return text + "\n"
