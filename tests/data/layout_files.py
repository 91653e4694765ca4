"""Small files in the layout of each source, and what the source reads from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frozenvl.data.sources.aokvqa import AOKVQAQuestions
from frozenvl.data.sources.blip import BlipQuestions
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.gqa import GQAQuestions
from frozenvl.data.sources.json_list import JsonCaptions
from frozenvl.data.sources.karpathy import KarpathyCaptions
from frozenvl.data.sources.llava import LlavaCaptions, LlavaQuestions
from frozenvl.data.sources.llava_eval import LlavaEvalQuestions
from frozenvl.data.sources.lxmert import LxmertQuestions
from frozenvl.data.sources.minigpt4 import MiniGPT4Captions
from frozenvl.data.sources.sbu import SBUCaptions
from frozenvl.data.sources.scienceqa import ScienceQAQuestions
from frozenvl.data.sources.slake import SlakeQuestions
from frozenvl.data.sources.source import Source
from frozenvl.data.sources.textcaps import TextCaps
from frozenvl.data.sources.textvqa import TextVQAQuestions
from frozenvl.data.sources.visual7w import Visual7WQuestions
from frozenvl.data.sources.visual_genome import VisualGenomeQuestions
from frozenvl.data.sources.vizwiz import VizWizQuestions
from frozenvl.data.sources.vqa import VQAQuestions
from frozenvl.data.sources.vqa_rad import VQARADQuestions
from frozenvl.data.sources.xm3600 import XM3600


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


def as_text(name: str, content: Any) -> str:
    """Returns the text of a file with some JSON content."""
    if name.endswith(".jsonl") and isinstance(content, list):
        return "".join(json.dumps(row) + "\n" for row in content)
    return json.dumps(content)


def write(folder: Path, layout: Layout, files: Mapping[str, Any] | None = None) -> Source:
    """Writes files, and returns the source that reads them."""
    (folder / "images").mkdir(exist_ok=True)
    for number in range(3):
        (folder / "images" / f"{number}.jpg").touch()  # SBU's source looks which images are there
    for name, content in (files or layout.files).items():
        (folder / name).write_bytes(
            content if isinstance(content, bytes) else as_text(name, content).encode()
        )
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


def numbered(**fields: Any) -> list[dict[str, Any]]:
    """Returns three records. A value that is a function is called with the number of the record."""
    return [{key: value(n) if callable(value) else value for key, value in fields.items()} for n in range(3)]


def turns(*texts: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]


TEN = [{"answer": "can", "answer_confidence": "yes"}] * 6 + [{"answer": "tin", "answer_confidence": "no"}] * 4
LAYOUTS |= {
    "JSON list": Layout(
        JsonCaptions,
        {"j.json": numbered(image="{}.jpg".format, caption=lambda n: [f"a dog {n}", f"the dog {n}"])},
        {"annotations": "j.json"},
    ),
    "TextCaps": Layout(
        TextCaps,
        {
            "t.json": {
                "dataset_name": "textcaps",
                "data": numbered(caption_id=int, image_id="x{}".format, caption_str="a sign {}".format),
            }
        },
        {"annotations": "t.json"},
    ),
    "MiniGPT-4": Layout(
        MiniGPT4Captions,
        {"m.json": {"annotations": numbered(image_id=str, caption="The image shows {}.".format)}},
        {"annotations": "m.json"},
    ),
    "XM3600": Layout(
        XM3600,
        {
            "x.jsonl": numbered(
                **{
                    "image/key": "k{}".format,
                    "image/locale": "de",
                    "de": lambda n: {"caption": [f"ein Hund {n}"]},
                    "en": lambda n: {"caption": [f"a dog {n}", "a hound"]},
                }
            )
        },
        {"annotations": "x.jsonl"},
    ),
    "SBU": Layout(
        SBUCaptions,
        {"s.json": {"image_urls": [f"http://a/{n}.jpg" for n in range(3)], "captions": [*CAPTIONS]}},
        {"annotations": "s.json"},
    ),
    "VizWiz": Layout(
        VizWizQuestions,
        {
            "v.json": numbered(
                image="{}.jpg".format,
                question="What is {}?".format,
                answers=TEN,
                answer_type="other",
                answerable=1,
            )
        },
        {"annotations": "v.json"},
    ),
    "GQA": Layout(
        GQAQuestions,
        {
            "g.json": {
                f"0{n}": {
                    "imageId": f"{n}",
                    "question": f"Is it {n}?",
                    "answer": "yes",
                    "fullAnswer": "Yes, it is.",
                    "types": {"structural": "verify", "semantic": "obj"},
                }
                for n in range(3)
            }
        },
        {"questions": "g.json"},
        ("",),
    ),
    "TextVQA": Layout(
        TextVQAQuestions,
        {
            "t.json": {
                "dataset_name": "textvqa",
                "data": numbered(
                    question_id=int,
                    image_id="x{}".format,
                    question="what {}?".format,
                    answers=["stop"] * 9 + ["go"],
                ),
            }
        },
        {"annotations": "t.json"},
    ),
    "ScienceQA": Layout(
        ScienceQAQuestions,
        {
            "p.json": {
                f"{n}": {
                    "question": f"Which is {n}?",
                    "choices": ["frog", "dog"],
                    "answer": n % 2,
                    "image": "image.png",
                    "split": "train",
                    "subject": "natural science",
                }
                for n in range(3)
            }
        },
        {"problems": "p.json"},
        ("",),
    ),
    "VQA-RAD": Layout(
        VQARADQuestions,
        {
            "r.json": numbered(
                qid=int,
                image_name="{}.jpg".format,
                question="How many {}?".format,
                answer="Yes",
                answer_type="CLOSED ",
                phrase_type="freeform",
            )
        },
        {"annotations": "r.json"},
    ),
    "SLAKE": Layout(
        SlakeQuestions,
        {
            "s.json": numbered(
                qid=int,
                img_name="x{}/source.jpg".format,
                question="What {}?".format,
                answer="MRI",
                q_lang="en",
            )
        },
        {"annotations": "s.json"},
    ),
    "Visual7W": Layout(
        Visual7WQuestions,
        {
            "w.json": {
                "dataset": "Visual7W",
                "images": numbered(
                    image_id=int,
                    split="train",
                    filename="{}.jpg".format,
                    qa_pairs=lambda n: [
                        {
                            "qa_id": n,
                            "question": "What?",
                            "answer": "A dog.",
                            "multiple_choices": ["A cat.", "A cow."],
                            "type": "what",
                        }
                    ],
                ),
            }
        },
        {"questions": "w.json"},
    ),
    "BLIP questions": Layout(
        BlipQuestions,
        {
            "b.json": numbered(
                question_id=int,
                question="what {}?".format,
                answer=["dog", "dog", "cat"],
                image="{}.jpg".format,
            )
        },
        {"annotations": "b.json"},
    ),
    "LLaVA conversations": Layout(
        LlavaQuestions,
        {
            "l.json": numbered(
                id=str,
                image="{}.jpg".format,
                conversations=lambda n: turns("<image>\nWhere?", f"at {n}", "Who?", "I"),
            )
        },
        {"annotations": "l.json"},
    ),
    "LLaVA captions": Layout(
        LlavaCaptions,
        {
            "l.json": numbered(
                id=str,
                image="{}.jpg".format,
                conversations=lambda n: turns("Describe it.\n<image>", f"a dog {n}"),
            )
        },
        {"annotations": "l.json"},
    ),
    "LLaVA questions": Layout(
        LlavaEvalQuestions,
        {
            "e.jsonl": numbered(
                question_id=str, image="{}.jpg".format, text="What is {}?".format, category="x"
            )
        },
        {"questions": "e.jsonl"},
    ),
}
