"""Test data of `tables.py`: files in the layouts of VQA v2 and COCO captions, of any size, the same in every run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WORDS, FOLLOWERS = 12_000, 40
"""Number of words, and of words that may follow each: real texts repeat their n-grams."""
ANSWERS = 30_000
"""Number of different answers."""
ANNOTATORS, QUESTIONS_PER_IMAGE, CAPTIONS_PER_IMAGE = 10, 5, 5
KINDS = ("yes/no", "number", "other")


@dataclass(frozen=True)
class VQAFiles:
    """Files of questions, of annotations and of results in VQA v2's layout."""

    questions: Path
    annotations: Path
    results: Path


@dataclass(frozen=True)
class CaptionFiles:
    """Files of captions and of results in COCO's layout."""

    captions: Path
    results: Path


def texts(random: np.random.Generator, count: int, shortest: int, longest: int) -> list[str]:
    """Makes texts of `shortest` to `longest` words, in which few words follow each word and few words are frequent."""
    letters = np.array(list("etaoinshrdlucmfwyp"))
    words = ["".join(random.choice(letters, size)) for size in random.integers(2, 9, WORDS)]
    followers = (WORDS * random.random((WORDS, FOLLOWERS)) ** 4).astype(np.int32)
    chain = np.empty((count, longest), np.int32)
    chain[:, 0] = WORDS * random.random(count) ** 6
    for place in range(1, longest):
        chosen = (FOLLOWERS * random.random(count) ** 3).astype(np.int32)
        chain[:, place] = followers[chain[:, place - 1], chosen]
    lengths = random.integers(shortest, longest + 1, count)
    return [
        " ".join([words[word] for word in row[:length]])
        for row, length in zip(chain.tolist(), lengths.tolist(), strict=True)
    ]


def write_list(path: Path, key: str, rows: Iterable[dict], head: dict | None = None) -> None:
    """Writes an object with a list at a key, or only the list if the key is empty, on one line as the originals are."""
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"info": {"year": 2014}} | (head or {}))[:-1] + f', "{key}": [' if key else "[")
        for number, row in enumerate(rows):
            file.write((", " if number else "") + json.dumps(row))
        file.write("]}" if key else "]")


def write_vqa(folder: Path, count: int) -> VQAFiles:
    """Writes `count` questions, each with ten annotators' answers and a predicted answer."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    files = VQAFiles(*(folder / f"{name}.json" for name in ("questions", "annotations", "results")))
    answers = ["yes", "no", *texts(random, ANSWERS - 2, 1, 3)]
    # Seven annotators in ten give the first answer; some of the others give one that is rare.
    first = (ANSWERS * random.random(count) ** 8).astype(np.int64)
    given = (ANSWERS * random.random((count, ANNOTATORS)) ** 5).astype(np.int64)
    given = np.where(random.random((count, ANNOTATORS)) < 0.7, first[:, None], given)
    images = 9 + 7 * (np.arange(count) // QUESTIONS_PER_IMAGE)
    ids = images * 1000 + np.arange(count) % QUESTIONS_PER_IMAGE
    predicted = np.where(random.random(count) < 0.5, first, given[:, 3])
    kinds = [" ".join(words.split()[:3]) for words in texts(random, 65, 2, 3)]
    asked = (f"{text[:1].upper()}{text[1:]}?" for text in texts(random, count, 4, 9))
    keys = list(zip(ids.tolist(), images.tolist(), strict=True))
    write_list(
        files.questions,
        "questions",
        (
            {"image_id": image, "question": text, "question_id": key}
            for (key, image), text in zip(keys, asked, strict=True)
        ),
    )
    write_list(
        files.annotations,
        "annotations",
        (
            {
                "question_type": kinds[key % 65],
                "multiple_choice_answer": answers[best],
                "answers": [
                    {"answer": answers[one], "answer_confidence": "yes", "answer_id": number}
                    for number, one in enumerate(row, 1)
                ],
                "image_id": image,
                "answer_type": KINDS[key % 3],
                "question_id": key,
            }
            for (key, image), best, row in zip(keys, first.tolist(), given.tolist(), strict=True)
        ),
    )
    write_list(
        files.results,
        "",
        (
            {"question_id": key, "answer": answers[one]}
            for (key, _), one in zip(keys, predicted.tolist(), strict=True)
        ),
    )
    return files


def write_captions(folder: Path, count: int) -> CaptionFiles:
    """Writes `count` images with five captions each, and a candidate that shares words with one of them."""
    random = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    files = CaptionFiles(folder / "captions.json", folder / "captions-results.json")
    lines = texts(random, count * (CAPTIONS_PER_IMAGE + 1), 8, 14)
    rows = [f"{line[:1].upper()}{line[1:]}." for line in lines[: count * CAPTIONS_PER_IMAGE]]
    images = [
        {"license": 3, "file_name": f"{9 + 7 * n:012d}.jpg", "height": 480, "width": 640, "id": 9 + 7 * n}
        for n in range(count)
    ]
    write_list(
        files.captions,
        "annotations",
        (
            {"image_id": 9 + 7 * (n // CAPTIONS_PER_IMAGE), "id": n, "caption": row}
            for n, row in enumerate(rows)
        ),
        {"images": images},
    )
    write_list(
        files.results,
        "",
        (
            {
                "image_id": 9 + 7 * n,
                "caption": " ".join((rows[5 * n].strip(".") + " " + lines[-1 - n]).lower().split()[2:12]),
            }
            for n in range(count)
        ),
    )
    return files
