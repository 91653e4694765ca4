"""Partial predictions, saved after each batch so that an interrupted evaluation resumes where it stopped."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from frozenvl.evaluation.query import Answer, Query, Request
from frozenvl.evaluation.score_file import read_score
from frozenvl.evaluation.session import Session
from frozenvl.metrics.vectors import decoded, encoded
from frozenvl.prompt import Delimiter, Marker, PromptPart
from frozenvl.util.distributed import gather
from frozenvl.util.errors import UserError
from frozenvl.util.files import as_line, cannot_write, read_lines, write_atomically
from frozenvl.util.gallery import decoded_picture, encoded_picture

Row = dict[str, Any]
"""A line of predictions.jsonl."""
Answered = Sequence[tuple[Request, Answer]]
"""Requests with their answers."""
FILES = "part-*.jsonl"
"""Glob pattern of the files that hold partial predictions."""


class PartialPredictions:
    """Predictions of this rank, and predictions that an earlier run of the same evaluation saved.

    Args:
        name: name of the evaluation.
        fingerprint: hash of everything that the predictions depend on. Saved predictions with another one are ignored.
    """

    def __init__(self, session: Session, name: str, fingerprint: str) -> None:
        self.folder, self.fingerprint, self.session = session.folder / name, fingerprint, session
        self.own: dict[str, Row] = {}
        """Query id → row of this rank."""
        self.known: dict[str, Row] = {}
        """Query id → row of an earlier run."""
        if session.resumable:  # only rank 0 reads the files: all ranks have to agree on what is answered
            self.known = gather(self._read() if session.rank == 0 else {})[0]
        self._file = self.folder / FILES.replace("*", uuid.uuid4().hex[:8])

    def _read(self) -> dict[str, Row]:
        """Reads the saved rows with this fingerprint, of a finished or interrupted evaluation, by query id."""
        rows: list[Row] = []
        with suppress(UserError):  # there is no finished evaluation
            if read_score(self.folder / "score.json").fingerprint == self.fingerprint:
                rows += read_lines(self.folder / "predictions.jsonl")
        for path in sorted(self.folder.glob(FILES)):
            head, *saved = [*read_lines(path)] or [None]
            rows += saved if head == {"fingerprint": self.fingerprint} else []
        return {row["id"]: row for row in rows}

    def add(self, answered: Answered) -> None:
        """Adds the answers of a batch, and saves them if the session is resumable."""
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
        """Returns the answers to requests, from all ranks and earlier runs, with the current references."""
        rows = dict(self.known)
        for rank_rows in gather(self.own):
            rows |= rank_rows
        return [(request, answer_of(request.query, rows[request.query.id])) for request in requests]


def row_of(request: Request, answer: Answer) -> Row:
    """Converts an answer to a line of predictions.jsonl. The prompt is the one shown, with images by name."""
    query = request.query
    parts = [part_of(part) for part in request.prompt]
    optional = {
        "kind": query.kind,
        "scores": query.scores,
        "candidates": list(query.candidates),
        "values": [round(value, 4) for value in answer.values],
        "text_values": [round(value, 6) for value in answer.text_values],
        "mean_values": [round(value, 6) for value in answer.mean_values],
        "vector": "" if answer.vector is None else encoded(answer.vector),
        "explanation": {
            name: [round(value, 6) for value in values] for name, values in answer.explanation.items()
        },
        "picture": "" if answer.picture is None else encoded_picture(answer.picture),
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
    """Converts a row of predictions.jsonl back to an answer, to the query as it is now."""
    vector = decoded(row["vector"]) if "vector" in row else None
    values, reason = tuple(row.get("values", ())), row.get("unreadable", "")
    texts, means = tuple(row.get("text_values", ())), tuple(row.get("mean_values", ()))
    maps = {name: tuple(numbers) for name, numbers in row.get("explanation", {}).items()}
    picture = decoded_picture(row["picture"]) if "picture" in row else None
    made = row["text"], row["generated"], row["ended"]
    return Answer(query, *made, values, vector, reason, texts, means, maps, picture)


def part_of(part: PromptPart) -> Row:
    """Converts a part of a prompt to JSON: a text, an image or a marker by its name, or a border of a conversation."""
    if isinstance(part, str):
        return {"text": part}
    if isinstance(part, Delimiter):
        return {"border": part.border, **({"text": part.text} if part.text else {})}
    return {"marker" if isinstance(part, Marker) else "image": part.name}
