"""The first record of files as they are published, one of each layout: no source may take another's for its own."""

from __future__ import annotations

from typing import Any

from frozenvl.data.sources.source import Source

COCO_IMAGE = {"id": 1, "file_name": "1.jpg"}
SENTENCE = {"raw": "A dog .", "tokens": ["a", "dog"], "imgid": 0, "sentid": 0}
HUMAN = {"from": "human", "value": "Where?"}
GPT = {"from": "gpt", "value": "outside"}
VIZWIZ_ANSWERS = [{"answer": "unanswerable", "answer_confidence": "no"}]
V2_ANSWERS = [{"answer": "2", "answer_id": 1}]

CONTENTS: dict[str, Any] = {
    "COCO captions": {
        "images": [COCO_IMAGE],
        "annotations": [{"id": 1, "image_id": 1, "caption": "a dog"}],
    },
    "COCO images without captions": {"images": [COCO_IMAGE | {"domain": "in-domain"}], "info": {}},
    "COCO instances": {
        "images": [COCO_IMAGE],
        "annotations": [{"id": 1, "image_id": 1, "bbox": [0, 0, 5, 5]}],
    },
    "COCO panoptic": {
        "images": [COCO_IMAGE],
        "annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": []}],
    },
    "VizWiz captions": {
        "images": [COCO_IMAGE],
        "annotations": [{"image_id": 1, "caption": "a can", "is_precanned": False, "is_rejected": False}],
    },
    "TextCaps": {
        "data": [{"caption_id": 0, "image_id": "a", "caption_str": "STOP", "reference_strs": ["STOP"]}]
    },
    "TextCaps test": {"dataset_name": "textcaps", "data": [{"image_id": "00", "set_name": "test"}]},
    "Karpathy": {
        "dataset": "coco",
        "images": [{"filename": "1.jpg", "split": "val", "sentences": [SENTENCE]}],
    },
    "BLIP training captions": [{"caption": "a dog", "image": "val2014/1.jpg", "image_id": "coco_1"}],
    "BLIP validation captions": [{"caption": ["a dog", "the dog"], "image": "val2014/1.jpg"}],
    "BLIP reference captions": {
        "annotations": [{"image_id": 1, "caption": "a dog", "id": 1}],
        "images": [{"id": 1}],
    },
    "MiniGPT-4": {"annotations": [{"image_id": "2", "caption": "The image shows a dog."}]},
    "AI Challenger": [{"url": "http://x", "image_id": "8f00.jpg", "caption": ["一只狗", "狗"]}],
    "captions in lines": [{"image": "1.jpg", "caption": "a dog"}],
    "captions by file": {"1.jpg": "a dog", "2.jpg": ["a cat", "the cat"]},
    "MSR-VTT": {
        "videos": [{"video_id": "video0", "split": "train"}],
        "sentences": [{"video_id": "video0", "caption": "a dog"}],
    },
    "MSVD": "-4ws_5_15 a squirrel is eating\n-4ws_5_15 a squirrel eats\n",
    "MSVD table": "VideoID,Start,End,WorkerID,Source,Language,Description\nmv89,0,9,1,clean,English,a man\n",
    "WebVid": "videoid,contentUrl,duration,page_dir,name\n7,x,PT1S,001_050,a man\n",
    "XM3600": [{"image/key": "0", "image/locale": "de", "de": {"caption": ["ein Hund"]}}],
    "SBU": {"image_urls": ["http://x/1.jpg"], "user_ids": ["1"], "captions": ["a dog"]},
    "Hugging Face metadata": [{"file_name": "1.jpg", "text": "a dog"}],
    "M3IT": [{"instruction": "Describe it.", "inputs": "", "image_base64_str": [""], "outputs": "a dog"}],
    "COCO captions without images": {"annotations": [{"id": 1, "image_id": 1, "caption": "a dog"}]},
    "results by file": [{"image_id": "1.jpg", "caption": "a dog"}],
    "results with lists": [{"image_id": 1, "caption": ["a dog"]}],
    "predictions": [
        {"id": "1", "image": "1.jpg", "image_id": "a/1.jpg", "text": "a dog", "references": ["a dog"]}
    ],
    "null": None,
    "nothing": [],
    "an empty object": {},
    "texts": ["a dog"],
    "a number": 3,
    "caption results": [{"image_id": 1, "caption": "a dog", "id": 101}],
    "text results": [{"image_id": 1, "id": 101, "text": "a dog"}],
    "results by id": {"1": "a dog"},
    "a table": "a dog\t1.jpg\na cat\t2.jpg\n",
    "a table of files": "image1.jpg#0\ta dog .\nimage1.jpg#1\tthe dog .\n",
    "a table with a header": "image,caption\n1.jpg,a dog\n",
    "lines of text": "Ein Hund läuft am Strand.\nZwei Leute sitzen.\n",
    "VQA questions": {"questions": [{"question_id": 1, "image_id": 1, "question": "How many?"}]},
    "VQA annotations": {"annotations": [{"question_id": 1, "image_id": 1, "answers": V2_ANSWERS}]},
    "VQA results": [{"question_id": 1, "answer": "2"}],
    "LLaVA results": [
        {"question_id": 1, "prompt": "How many?", "text": "2", "answer_id": "x", "model_id": "m"}
    ],
    "A-OKVQA results": {"1": {"multiple_choice": "x", "direct_answer": "2"}},
    "A-OKVQA": [
        {"question_id": "a", "image_id": 1, "question": "Q", "choices": ["a"], "direct_answers": ["a"]}
    ],
    "A-OKVQA of LAVIS": [
        {
            "question_id": "a",
            "image_id": 1,
            "image": "1.jpg",
            "question": "Q",
            "choices": ["a"],
            "dataset": "x",
        }
    ],
    "LXMERT": [{"sent": "What?", "question_id": 1, "img_id": "COCO_1", "label": {"a": 1}}],
    "Visual Genome": [{"id": 1, "qas": [{"qa_id": 1, "image_id": 1, "question": "Q", "answer": "A."}]}],
    "VizWiz": [{"image": "a.jpg", "question": "What is this?", "answers": VIZWIZ_ANSWERS, "answerable": 0}],
    "VizWiz test": [{"image": "VizWiz_test_00000000.jpg", "question": "What is this?"}],
    "GQA": {"07": {"imageId": "2", "question": "Is it?", "answer": "yes", "types": {"structural": "verify"}}},
    "GQA test": {"07": {"imageId": "n2", "question": "Is it?", "isBalanced": True}},
    "TextVQA": {"data": [{"question_id": 1, "image_id": "a", "question": "Q", "answers": ["stop"] * 10}]},
    "TextVQA test": {"data": [{"question_id": 1, "image_id": "a", "question": "Q"}]},
    "ScienceQA": {
        "1": {"question": "Q", "choices": ["a", "b"], "answer": 1, "image": None, "split": "train"}
    },
    "VQA-RAD": [{"qid": 1, "image_name": "1.jpg", "question": "Q", "answer": 2, "phrase_type": "freeform"}],
    "SLAKE": [
        {"qid": 1, "img_id": 1, "img_name": "x/source.jpg", "question": "Q", "answer": "A", "q_lang": "en"}
    ],
    "Visual7W": {
        "dataset": "Visual7W",
        "images": [{"image_id": 2, "split": "val", "filename": "v7w_2.jpg", "qa_pairs": []}],
    },
    "Visual7W pointing": {
        "boxes": [{"box_id": 3001}],
        "images": [{"image_id": 2, "split": "val", "filename": "v7w_2.jpg", "qa_pairs": []}],
    },
    "DAQUAR": "what is on the desk in the image12 ?\nbook, lamp\n",
    "BLIP questions": [
        {"question_id": 1, "question": "Q", "answer": ["a"], "image": "val2014/1.jpg", "dataset": "vqa"}
    ],
    "BLIP test questions": [{"question_id": 1, "question": "Q", "image": "test2015/1.jpg", "dataset": "vqa"}],
    "VisDial": {
        "version": "1.0",
        "split": "val2018",
        "data": {
            "questions": ["is it sunny"],
            "answers": ["no"],
            "dialogs": [{"image_id": 1, "caption": "a dog", "dialog": [{"question": 0, "answer": 0}]}],
        },
    },
    "LLaVA conversations": [{"id": "1", "image": "1.jpg", "conversations": [HUMAN, GPT, HUMAN, GPT]}],
    "LLaVA questions and answers": [{"id": "1", "image": "1.jpg", "conversations": [HUMAN, GPT]}],
    "LLaVA captions, then conversations": [
        {
            "id": "1",
            "image": "1.jpg",
            "conversations": [{"from": "human", "value": "Describe it."}, {"from": "gpt", "value": "a dog"}],
        },
        {"id": "2", "image": "1.jpg", "conversations": [HUMAN, GPT, HUMAN, GPT]},
    ],
    "ShareGPT": [{"id": "Y_0", "conversations": [{"from": "system", "value": "Be kind."}, HUMAN, GPT]}],
    "chat messages": [
        {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}]}
    ],
    "LLaVA text first": [{"id": "1", "conversations": [HUMAN, GPT]}],
    "LLaVA captions": [
        {
            "id": "1",
            "image": "1.jpg",
            "conversations": [{"from": "human", "value": "<image>\nDescribe the image concisely."}, GPT],
        }
    ],
    "LLaVA questions": [{"question_id": "1", "image": "1.jpg", "text": "Q", "category": "default"}],
    "SugarCrepe": {
        "0": {"filename": "000000000007.jpg", "caption": "a dog", "negative_caption": "a red dog"}
    },
    "SugarCrepe of categories": {
        "add_att": {"0": {"filename": "7.jpg", "caption": "a dog", "negative_caption": "a red dog"}}
    },
    "ARO": [
        {
            "image_id": 2,
            "image_path": "2.jpg",
            "true_caption": "a",
            "false_caption": "b",
            "bbox_x": 0,
            "bbox_y": 0,
            "bbox_w": 9,
            "bbox_h": 9,
            "attributes": ["old", "new"],
        }
    ],
    "Winoground": [
        {"id": 0, "image_0": "ex_0_img_0", "image_1": "ex_0_img_1", "caption_0": "a", "caption_1": "b"}
    ],
}
"""Name of a layout → content of a file, as `RecordFile` has it."""


def recognised(kind: type[Source]) -> set[str]:
    """Returns the names of the layouts that a source takes for its own."""
    return {name for name, content in CONTENTS.items() if recognises(kind, content)}


def recognises(kind: type[Source], content: Any) -> bool:
    try:
        return kind.recognises(content)
    except (LookupError, TypeError, AttributeError):  # as `frozenvl.data.detect` has it
        return False
