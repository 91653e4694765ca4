"""Predictions kept batch by batch, so that an interrupted evaluation goes on where it stopped."""

from __future__ import annotations

import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from frozenvl.evaluation.query import Answer, Query, Request
from frozenvl.evaluation.score_file import read_score
from frozenvl.evaluation.session import Session
from frozenvl.util.distributed import gather
from frozenvl.util.errors import UserError
from frozenvl.util.files import as_line, cannot_write, read_lines, write_atomically

Row = dict[str, Any]
"""A line of predictions.jsonl."""
Answered = Sequence[tuple[Request, Answer]]
FILES = "part-*.jsonl"
"""Names of the files that keep a part of an evaluation's predictions."""


class PartialPredictions:
    """The predictions of this rank, and those that an earlier run of the same evaluation left.

    Args:
        name: of the evaluation.
        fingerprint: of all that the predictions depend on; predictions with another one are not used.
    """

    def __init__(self, session: Session, name: str, fingerprint: str) -> None:
        self.folder, self.fingerprint, self.session = session.folder / name, fingerprint, session
        self.own: dict[str, Row] = {}
        self.known: dict[str, Row] = {}
        if session.resumable:  # one rank looks, since the others might see less, or more
            self.known = gather(self._read() if session.rank == 0 else {})[0]
        self._file = self.folder / FILES.replace("*", uuid.uuid4().hex[:8])

    def _read(self) -> dict[str, Row]:
        rows: list[Row] = []
        with suppress(UserError):  # no finished evaluation that could be used again
            if read_score(self.folder / "score.json").fingerprint == self.fingerprint:
                rows += read_lines(self.folder / "predictions.jsonl")
        for path in sorted(self.folder.glob(FILES)):
            head, *others = [*read_lines(path)] or [None]
            rows += others if head == {"fingerprint": self.fingerprint} else []
        return {row["id"]: row for row in rows}

    def add(self, answered: Answered) -> None:
        """Keeps the answers of a batch."""
        rows = {answer.query.id: row_of(request, answer) for request, answer in answered}
        self.own |= rows
        if not self.session.resumable:
            return
        if not self._file.exists():
            write_atomically(self._file, as_line({"fingerprint": self.fingerprint}))
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write("".join(map(as_line, rows.values())))
        except OSError as error:
            raise cannot_write(self._file, error) from None

    def gathered(self, requests: Iterable[Request]) -> Answered:
        """The answers to requests, of all ranks and of earlier runs, with the references of today."""
        rows = dict(self.known)
        for own in gather(self.own):
            rows |= own
        return [(request, answer_of(request.query, rows[request.query.id])) for request in requests]


def row_of(request: Request, answer: Answer) -> Row:
    """A line of predictions.jsonl. The images of the prompt, as it was shown, are told by name."""
    query = request.query
    parts = [{"text": part} if isinstance(part, str) else {"image": part.name} for part in request.prompt]
    optional = {
        "kind": query.kind,
        "scores": query.scores,
        "candidates": list(query.candidates),
        "values": [round(value, 4) for value in answer.values],
        "vector": "" if answer.vector is None else b64encode(answer.vector.astype("<f4").tobytes()).decode(),
        "unreadable": answer.unreadable,
    }
    return {
        "id": query.id,
        **({"image": query.image.name} if query.image else {}),
        "image_id": query.image_id,
        "question": query.question,
        "prompt": parts,
        "text": answer.text,
        "generated": answer.generated,
        "ended": answer.ended,
        "references": list(query.references),
        **{key: value for key, value in optional.items() if value},
    }


def answer_of(query: Query, row: Row) -> Answer:
    """The answer that a row keeps, to the query as it is today."""
    vector = np.frombuffer(b64decode(row["vector"]), "<f4") if "vector" in row else None
    values, reason = tuple(row.get("values", ())), row.get("unreadable", "")
    return Answer(query, row["text"], row["generated"], row["ended"], values, vector, reason)
