"""Folders in LLaVA's layout, taken apart: settings, weights and wordings."""

from __future__ import annotations

import chat_models
import pytest
import torch
from llava_folders import LLAVA_1_5, llava_folder
from transformers import AutoProcessor, AutoTokenizer, LlavaForConditionalGeneration

from frozenvl.integrations.llava_import import read_llava, wording
from frozenvl.integrations.llava_processor import chat
from frozenvl.util.errors import UserError
from frozenvl.wording import VQA, Template


def test_the_wording_of_a_chat_template(tmp_path):
    worded = wording(AutoProcessor.from_pretrained(llava_folder(tmp_path)))
    assert worded == Template("USER: {image}\n{question} ASSISTANT:", " {target}", " ", stop=())


def test_braces_of_a_chat_template_stay(tmp_path):
    template = LLAVA_1_5.replace("': '", "'{}: '").replace("'ASSISTANT:'", "'ASSISTANT{}:'")
    made = wording(AutoProcessor.from_pretrained(llava_folder(tmp_path, chat_template=template)))
    assert made.query.format(image="I", question="Q") == "USER{}: I\nQ ASSISTANT{}:"


def test_a_chat_template_without_a_plain_wording(tmp_path):
    """The generation prompt is not what stands before a reply."""
    template = LLAVA_1_5.replace("'ASSISTANT:'", "'Answer:'")
    assert wording(AutoProcessor.from_pretrained(llava_folder(tmp_path, chat_template=template))) == VQA


def test_without_a_chat_template_questions_are_worded_as_usual(tmp_path):
    assert wording(AutoProcessor.from_pretrained(llava_folder(tmp_path, chat_template=None))) == VQA


def test_a_chat_template_with_special_tokens_is_the_language_models_own(tmp_path):
    folder = llava_folder(tmp_path, chat_template=chat(chat_models.CHATML.template, "<image>"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": [*chat_models.CHATML.special, "<image>"]})
    tokenizer.save_pretrained(folder)
    made = wording(AutoProcessor.from_pretrained(folder))
    assert made == Template("{image}\n{question}", chat=True)


def test_weights_that_are_missing_are_told(tmp_path):
    folder = llava_folder(tmp_path)
    model = LlavaForConditionalGeneration.from_pretrained(folder)
    weights = {name: value for name, value in model.state_dict().items() if "linear_2" not in name}
    model.save_pretrained(folder, state_dict=weights)
    with pytest.raises(UserError, match=r"lacks weights \(first: .*linear_2"):
        read_llava(str(folder))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"projector_hidden_act": "relu"}, "the activation relu; gelu and linear are imported$"),
        ({"vision_feature_layer": [-2, -1]}, "reads several layers"),
        ({"vision_feature_select_strategy": "full"}, "class token of clip_vision_model"),
    ],
    ids=str,
)
def test_settings_without_a_place_are_refused(tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        read_llava(str(llava_folder(tmp_path, **settings)))


def test_two_linear_maps_become_one(tmp_path):
    folder = llava_folder(tmp_path, projector_hidden_act="linear", multimodal_projector_bias=False)
    llava = read_llava(str(folder))
    weights = llava.mapper_weights()
    states = torch.randn(5, 16)
    wanted = llava.model.model.multi_modal_projector(states)
    got = torch.nn.functional.linear(states, weights["out.weight"], weights["out.bias"])
    torch.testing.assert_close(got, wanted)
