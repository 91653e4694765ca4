"""A small data set of each source of one published layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tars import picture

Maker = Callable[[Path], dict[str, Any]]


def images(folder: Path, *names: str) -> str:
    """Writes image files, each of its own colour; returns their folder."""
    for number, name in enumerate(names):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number, kind="PNG" if path.suffix == ".png" else "JPEG"))
    return str(folder / "images")


def annotated(content: Any, *names: str, argument: str = "annotations", **more: Any) -> Maker:
    """Returns a function that writes an annotation file and images.

    Args:
        content: text, or content of a JSON file.
        names: image files.
        argument: argument of the source that names the annotation file.
        more: further arguments of the source.
    """

    def made(folder: Path) -> dict[str, Any]:
        path = folder / "annotations.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return {argument: str(path), "images": images(folder, *names)} | more

    return made


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _multi30k(folder: Path) -> dict[str, Any]:
    (folder / "train.de").write_text("Ein Hund.\nEine Katze.\nDer Hund.\n")
    (folder / "names.txt").write_text("1.jpg\n2.jpg\n1.jpg\n")
    files = {"captions": str(folder / "train.de"), "names": str(folder / "names.txt")}
    return files | {"images": images(folder, "1.jpg", "2.jpg")}


def _table(folder: Path) -> dict[str, Any]:
    (folder / "captions.csv").write_text(
        'image,caption\na.jpg,"a dog, running"\nb.jpg,a cat\na.jpg,the dog\n'
    )
    return {"table": str(folder / "captions.csv"), "images": images(folder, "a.jpg", "b.jpg")}


def _talk(key: str, image: str, *texts: str) -> dict[str, Any]:
    messages = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]
    return {"id": key, "image": image, "conversations": messages}


TALKS = [
    _talk("7", "gqa/images/1.jpg", "<image>\nWhat?", "A bus."),
    _talk("8", "x/1.jpg", "Who?\n<image>", "Me."),
]
ASKED = [
    {"question_id": 1, "question": "What?", "answer": ["a", "b", "b"], "image": "a/x.jpg", "dataset": "vqa"},
    {"question_id": 2, "question": "Who?", "answer": "me", "image": "b/x.jpg", "dataset": "vqa"},
]
GQA = {
    "07": {"imageId": "2", "question": "Is it dark?", "answer": "yes", "types": {"structural": "verify"}},
    "08": {"imageId": "2", "question": "Where?", "answer": "left"},
}
SCIENCE = {
    "1": {
        "question": "Which?",
        "choices": ["frog", "dog"],
        "answer": 1,
        "image": "image.png",
        "split": "train",
        "subject": "x",
    },
    "2": {
        "question": "Who?",
        "choices": ["a", "b"],
        "answer": 0,
        "image": "image.png",
        "split": "train",
        "subject": "y",
    },
}
SLAKE = [
    {
        "qid": n,
        "img_name": f"xmlab{n}/source.jpg",
        "question": "What is it? 这",
        "answer": "MRI",
        "q_lang": "en",
        "answer_type": "OPEN",
        "content_type": "Modality",
        "modality": "MRI",
        "location": "Brain",
        "base_type": "vqa",
    }
    for n in (0, 1)
]
TEXTVQA = [
    {"question": "what?", "image_id": "00ff", "question_id": n, "answers": ["2", "", "2"], "set_name": "val"}
    for n in (1, 2)
]
RAD = [
    {
        "qid": n,
        "image_name": f"{n}.jpg",
        "image_organ": "HEAD",
        "question": "How many?",
        "question_type": "PRES",
        "answer": answer,
        "answer_type": "CLOSED ",
        "phrase_type": "freeform",
    }
    for n, answer in enumerate(["Yes", 2])
]
SEVEN = [
    {
        "image_id": 2,
        "split": "train",
        "filename": "v7w_2.jpg",
        "qa_pairs": [
            {
                "image_id": 2,
                "qa_id": n,
                "question": "What?",
                "answer": "A dog.",
                "multiple_choices": ["A.", "B."],
                "type": "what",
            }
            for n in (10, 11)
        ],
    }
]
VIZWIZ = [
    {
        "image": f"VizWiz_val_{n:08}.jpg",
        "question": "What?",
        "answer_type": "other",
        "answerable": n,
        "answers": [{"answer": text, "answer_confidence": "yes"} for text in ("unanswerable", "can", "can")],
    }
    for n in (0, 1)
]
ARO = [
    {
        "image_id": 2,
        "image_path": "2.jpg",
        "true_caption": f"the dog is {relation} the cat",
        "false_caption": f"the cat is {relation} the dog",
        "bbox_x": 1,
        "bbox_y": 2,
        "bbox_w": width,
        "bbox_h": 3,
        "relation_name": relation,
    }
    for relation, width in (("left of", 4), ("behind", 5))
]
CREPE = {
    "0": {"filename": "000000000007.jpg", "caption": "a dog", "negative_caption": "a red dog"},
    "1": {"filename": "000000000007.jpg", "caption": "a dog on a cat", "negative_caption": "a cat on a dog"},
}
WINO = {
    "id": 0,
    "image_0": "ex_0_img_0",
    "image_1": "ex_0_img_1",
    "caption_0": "old cats and a young dog",
    "caption_1": "young cats and an old dog",
    "tag": "Adjective-Age",
    "secondary_tag": "",
    "num_main_preds": 1,
    "collapsed_tag": "Object",
}
PUBLISHED: dict[str, Maker] = {
    "AROPairs": annotated(ARO, "2.jpg"),
    "BlipQuestions": annotated(ASKED, "a/x.jpg", "b/x.jpg"),
    "DAQUARQuestions": annotated(
        "what is on the desk in the image3 ?\nbook, lamp\nwhat in image4 ?\nbed\n",
        "image3.png",
        "image4.png",
        argument="questions",
    ),
    "GQAQuestions": annotated(GQA, "2.jpg", argument="questions"),
    "JsonCaptions": annotated(
        [{"image": "a.jpg", "caption": ["a dog", "the dog"]}, {"image": "b.jpg", "caption": "a cat"}],
        "a.jpg",
        "b.jpg",
    ),
    "LlavaCaptions": annotated(
        [
            _talk("7", "gqa/images/1.jpg", "Describe it.\n<image>", "A bus."),
            _talk("8", "x/1.jpg", "Describe it.", "Me."),
        ],
        "gqa/images/1.jpg",
        "x/1.jpg",
    ),
    "LlavaConversations": annotated(
        [
            _talk("7", "gqa/images/1.jpg", "<image>\nWhat?", "A bus.", "Where?", "There."),
            _talk("8", "x/1.jpg", "Who?\n<image>", "Me."),
            {key: value for key, value in _talk("9", "", "Hello?", "Hi.").items() if key != "image"},
        ],
        "gqa/images/1.jpg",
        "x/1.jpg",
    ),
    "ChatMessages": annotated(
        [
            {
                "messages": [
                    {"role": "system", "content": "Be kind."},
                    {
                        "role": "user",
                        "content": [{"type": "image", "path": "1.jpg"}, {"type": "text", "text": "Who?"}],
                    },
                    {"role": "assistant", "content": "Me."},
                ]
            },
            {"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hi."}]},
        ],
        "1.jpg",
    ),
    "VisDial": annotated(
        {
            "version": "1.0",
            "split": "val2018",
            "data": {
                "questions": ["is it sunny", "why"],
                "answers": ["no", "yes"],
                "dialogs": [
                    {
                        "image_id": 4,
                        "caption": "a dog",
                        "dialog": [
                            {"question": n, "answer": n, "answer_options": [0, 1], "gt_index": n}
                            for n in (0, 1)
                        ],
                    }
                ],
            },
        },
        "VisualDialog_val2018_000000000004.jpg",
    ),
    "LlavaEvalQuestions": annotated(
        lines(*({"question_id": n, "image": "a.jpg", "text": "Who?\nSay.", "category": "x"} for n in (1, 1))),
        "a.jpg",
        argument="questions",
    ),
    "LlavaQuestions": annotated(TALKS, "gqa/images/1.jpg", "x/1.jpg"),
    "MiniGPT4Captions": annotated(
        {"annotations": [{"image_id": f"{n}", "caption": f"It shows\n\na dog {n}."} for n in (2, 10)]},
        "2.jpg",
        "10.jpg",
    ),
    "Multi30kCaptions": _multi30k,
    "SBUCaptions": annotated(
        {
            "image_urls": ["http://x/1_b.jpg", "http://x/2_b.jpg"],
            "user_ids": ["1", "1"],
            "captions": ["a dog", "a cat"],
        },
        "1_b.jpg",
        "2_b.jpg",
    ),
    "ScienceQAQuestions": annotated(SCIENCE, "train/1/image.png", "train/2/image.png", argument="problems"),
    "SugarCrepePairs": annotated(CREPE, "000000000007.jpg"),
    "SlakeQuestions": annotated(SLAKE, "xmlab0/source.jpg", "xmlab1/source.jpg"),
    "TableCaptions": _table,
    "TextCaps": annotated(
        {
            "data": [
                {"caption_id": n, "image_id": "00ff", "caption_str": f"a sign {n}", "reference_strs": []}
                for n in (1, 2)
            ]
        },
        "00ff.jpg",
    ),
    "TextVQAQuestions": annotated({"data": TEXTVQA}, "00ff.jpg"),
    "VQARADQuestions": annotated(RAD, "0.jpg", "1.jpg"),
    "Visual7WQuestions": annotated(
        {"dataset": "Visual7W", "images": SEVEN}, "v7w_2.jpg", argument="questions"
    ),
    "VizWizQuestions": annotated(VIZWIZ, "VizWiz_val_00000000.jpg", "VizWiz_val_00000001.jpg"),
    "WinogroundPairs": annotated(lines(WINO, WINO | {"id": 1}), "ex_0_img_0.png", "ex_0_img_1.png"),
    "XM3600": annotated(
        lines(*({"image/key": key, "en": {"caption": [f"a dog {key}", "it"]}} for key in ("00ff", "00ab"))),
        "00ff.jpg",
        "00ab.jpg",
    ),
}
"""Source class → function that writes a small data set into a folder and returns the arguments of the class."""
