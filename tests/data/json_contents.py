"""Contents of JSON files in public layouts, one record each, to test that a source recognises only its own."""

from __future__ import annotations

from typing import Any

ANSWERS = [{"answer": "yes", "answer_confidence": "yes"}] * 10
TURNS = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "a dog"}]
SENTENCES = [{"raw": "A dog .", "tokens": ["a", "dog"]}]

CONTENTS: dict[str, Any] = {
    "COCO": {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "caption": "a dog"}],
    },
    "COCO without images": {"annotations": [{"id": 1, "image_id": 1, "caption": "a dog"}]},
    "COCO test": {"images": [{"id": 1, "file_name": "1.jpg"}]},
    "COCO instances": {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5]}],
    },
    "COCO panoptic": {"annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": []}]},
    "BLIP _gt": {"annotations": [{"image_id": 1, "caption": "a dog", "id": 0}], "images": [{"id": 1}]},
    "Karpathy": {"images": [{"filename": "1.jpg", "imgid": 0, "split": "train", "sentences": SENTENCES}]},
    "BLIP train": [{"caption": "a dog", "image": "val2014/1.jpg", "image_id": "coco_1"}],
    "BLIP val": [{"caption": ["a dog", "the dog"], "image": "val2014/1.jpg"}],
    "BLIP VQA": [{"question_id": 0, "question": "what?", "answer": ["dog"] * 10, "image": "1.jpg"}],
    "AIC": [{"url": "http://x", "image_id": "8f00.jpg", "caption": ["一只狗", "狗"]}],
    "lines": [{"image": "1.jpg", "caption": "a dog"}],
    "metadata.jsonl": [{"file_name": "1.jpg", "text": "a dog"}],
    "by file": {"1.jpg": "a dog", "2.jpg": ["a cat", "the cat"]},
    "TextCaps": {
        "dataset_name": "textcaps",
        "data": [{"caption_id": 0, "image_id": "00", "caption_str": "STOP", "reference_strs": ["STOP"]}],
    },
    "TextCaps test": {"dataset_name": "textcaps", "data": [{"image_id": "00", "set_name": "test"}]},
    "TextVQA": {
        "dataset_name": "textvqa",
        "data": [{"question": "what?", "image_id": "00", "question_id": 1, "answers": ["stop"] * 10}],
    },
    "MiniGPT-4": {"annotations": [{"image_id": "2", "caption": "The image shows a dog."}]},
    "XM3600": [{"image/key": "00", "image/locale": "de", "de": {"caption": ["ein Hund"]}}],
    "SBU": {"image_urls": ["http://x/1.jpg"], "user_ids": ["1"], "captions": ["a dog"]},
    "M3IT": [{"instruction": "Describe it.", "inputs": "", "image_base64_str": ["/9j"], "outputs": "a dog"}],
    "LLaVA": [{"id": "1", "image": "1.jpg", "conversations": TURNS}],
    "LLaVA evaluation": [{"question_id": "1", "image": "1.jpg", "text": "What?", "category": "default"}],
    "COCO results": [{"image_id": 1, "caption": "a dog"}],
    "results by file": [{"image_id": "1.jpg", "caption": "a dog"}],
    "results by id": {"1": "a dog", "2": "a cat"},
    "results with lists": [{"image_id": 1, "caption": ["a dog"]}],
    "predictions.jsonl": [
        {"id": "1", "image": "1.jpg", "image_id": "a/1.jpg", "text": "a dog", "references": ["a dog"]}
    ],
    "VQA questions": {"questions": [{"question_id": 1, "image_id": 1, "question": "what?"}]},
    "VQA annotations": {"annotations": [{"question_id": 1, "image_id": 1, "answers": ANSWERS}]},
    "VQA results": [{"question_id": 1, "answer": "dog"}],
    "LLaVA results": [{"question_id": 1, "prompt": "what?", "text": "dog", "answer_id": "x"}],
    "VizWiz VQA": [{"image": "1.jpg", "question": "what?", "answers": ANSWERS, "answer_type": "other"}],
    "A-OKVQA": [{"question_id": "a", "image_id": 1, "question": "what?", "choices": ["dog", "cat"]}],
    "LXMERT": [{"sent": "what?", "img_id": "1", "question_id": 1, "label": {"dog": 1}}],
    "Visual Genome": [{"id": 1, "qas": [{"qa_id": 1, "image_id": 1, "question": "what?", "answer": "dog"}]}],
    "GQA": {"01": {"imageId": "n1", "question": "Is it?", "answer": "yes", "fullAnswer": "Yes."}},
    "ScienceQA": {"1": {"question": "which?", "choices": ["frog"], "answer": 0, "image": "image.png"}},
    "VQA-RAD": [{"qid": 1, "image_name": "1.jpg", "question": "how many?", "answer": 2}],
    "SLAKE": [{"img_id": 1, "img_name": "1/source.jpg", "question": "what?", "answer": "MRI", "qid": 1}],
    "Visual7W": {"images": [{"image_id": 1, "filename": "v7w_1.jpg", "qa_pairs": []}]},
    "null": None,
    "nothing": [],
    "empty object": {},
    "texts": ["a dog"],
    "number": 3,
}
"""Name of a layout → content of a file."""


def recognised(kind: type) -> list[str]:
    """Returns the names of the contents that a source recognises."""
    return [name for name, content in CONTENTS.items() if kind.recognises(content)]  # type: ignore[attr-defined]
