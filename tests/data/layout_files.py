"""Small files in the layout of each source, and what the source reads from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frozenvl.data.sources.aokvqa import AOKVQAQuestions
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.karpathy import KarpathyCaptions
from frozenvl.data.sources.lxmert import LxmertQuestions
from frozenvl.data.sources.source import Source
from frozenvl.data.sources.visual_genome import VisualGenomeQuestions
from frozenvl.data.sources.vqa import VQAQuestions


@dataclass(frozen=True)
class Layout:
    """Files of one layout."""

    kind: type[Source]
    files: Mapping[str, Any]
    """File name → JSON content, or bytes."""
    arguments: Mapping[str, str]
    """Arguments of the source. Values that are names of files stand for their paths; `images` is added."""
    data: tuple[str, ...] = ()
    """Fields with an object whose keys are data, such as answers."""


def write(folder: Path, layout: Layout, files: Mapping[str, Any] | None = None) -> Source:
    """Writes files, and returns the source that reads them."""
    (folder / "images").mkdir(exist_ok=True)
    for name, content in (files or layout.files).items():
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / name).write_bytes(data)
    named = {
        key: str(folder / value) if value in layout.files else value
        for key, value in layout.arguments.items()
    }
    return layout.kind(**named, images=str(folder / "images"))


CAPTIONS = ("a dog runs", "two people sit", "a red train")
LAYOUTS = {
    "COCO": Layout(
        CocoCaptions,
        {
            "c.json": {
                "info": {"year": 2017},
                "images": [{"id": n, "file_name": f"{n}.jpg", "width": 3} for n in range(3)],
                "annotations": [
                    {"id": 10 * n + k, "image_id": n, "caption": f"{text} {k}"}
                    for n, text in enumerate(CAPTIONS)
                    for k in range(2)
                ],
            }
        },
        {"annotations": "c.json"},
    ),
    "Karpathy": Layout(
        KarpathyCaptions,
        {
            "k.json": {
                "dataset": "x",
                "images": [
                    {
                        "imgid": n,
                        "filename": f"{n}.jpg",
                        "split": "val",
                        "sentences": [{"raw": text, "tokens": [], "sentid": n}, {"raw": f"{text} now"}],
                    }
                    for n, text in enumerate(CAPTIONS)
                ],
            }
        },
        {"annotations": "k.json", "split": "val"},
    ),
    "VQA": Layout(
        VQAQuestions,
        {
            "q.json": {
                "questions": [{"question_id": n, "image_id": n, "question": f"what {n}?"} for n in range(3)]
            },
            "a.json": {
                "annotations": [
                    {
                        "question_id": n,
                        "image_id": n,
                        "answer_type": "other",
                        "multiple_choice_answer": "dog",
                        "answers": [{"answer": "dog", "answer_id": k} for k in range(3)]
                        + [{"answer": "cat"}],
                    }
                    for n in range(3)
                ]
            },
        },
        {"questions": "q.json", "annotations": "a.json"},
    ),
    "A-OKVQA": Layout(
        AOKVQAQuestions,
        {
            "a.json": [
                {
                    "question_id": f"q{n}",
                    "image_id": n,
                    "question": f"what {n}?",
                    "choices": ["dog", "cat"],
                    "correct_choice_idx": n % 2,
                    "direct_answers": ["dog", "dog", "cat"],
                    "rationales": ["r"],
                }
                for n in range(3)
            ]
        },
        {"annotations": "a.json"},
    ),
    "LXMERT": Layout(
        LxmertQuestions,
        {
            "l.json": [
                {
                    "sent": f"what {n}?",
                    "img_id": f"COCO_{n}",
                    "question_id": n,
                    "label": {"dog": 1, "cat": 0.3},
                }
                for n in range(3)
            ]
        },
        {"annotations": "l.json"},
        ("label",),
    ),
    "Visual Genome": Layout(
        VisualGenomeQuestions,
        {
            "v.json": [
                {
                    "id": n,
                    "qas": [
                        {
                            "qa_id": 10 * n + k,
                            "image_id": n,
                            "question": f"what {k}?",
                            "answer": "dog",
                            "q_objects": [],
                        }
                        for k in range(2)
                    ],
                }
                for n in range(3)
            ]
        },
        {"questions": "v.json"},
    ),
}
