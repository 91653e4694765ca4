"""Recognising the layout of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from frozenvl.data.detect import advice, detect
from frozenvl.data.sources.aokvqa import AOKVQAQuestions
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.karpathy import KarpathyCaptions
from frozenvl.data.sources.lxmert import LxmertQuestions
from frozenvl.data.sources.visual_genome import VisualGenomeQuestions
from frozenvl.data.sources.vqa import VQAQuestions

CONTENTS = {
    CocoCaptions: {"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1, "caption": "a"}]},
    KarpathyCaptions: {"images": [{"filename": "a", "imgid": 1, "split": "val", "sentences": []}]},
    VQAQuestions: {"questions": [{"question_id": 1, "image_id": 1, "question": "a"}]},
    AOKVQAQuestions: [{"question_id": "a", "image_id": 1, "question": "a", "choices": []}],
    LxmertQuestions: [{"sent": "a", "img_id": "a", "question_id": 1, "label": {}}],
    VisualGenomeQuestions: [{"id": 1, "qas": [{"qa_id": 1, "image_id": 1, "question": "a", "answer": "b"}]}],
}


@pytest.mark.parametrize("kind", CONTENTS, ids=lambda kind: kind.__name__)
def test_a_layout_is_recognised(kind):
    assert detect(CONTENTS[kind]) is kind
    assert f"use {kind.__name__} (--" in advice(Path("x.json"), CONTENTS[kind])


@pytest.mark.parametrize(
    "content", [None, [], {}, 3, "a", [[]], [{"a": 1}], {"images": 3}, {"questions": ["a"]}]
)
def test_other_contents_are_not_recognised(content):
    assert detect(content) is None
    assert "data/README.md" in advice(Path("x.json"), content)
