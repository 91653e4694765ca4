"""Explanations from Python."""

import pytest
from painted import Painted

from frozenvl.analysis.explain import explain, target_function
from frozenvl.analysis.occlusion import Occlusion
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError
from frozenvl.wording import VQA, Template


def test_what_the_model_says_is_explained(model_of, noise):
    model = model_of()
    processor = model.processor()
    template = Template(query="{image}{question}", target=" {target}")
    function = target_function(model, noise, "what", processor=processor, template=template)
    batch = processor([(noise, "what")])
    (said,) = model.generate(batch, processor, 32, template.stops)
    assert function.target.text == " " + template.answer(said) and function.target.each_word
    assert function.names == tuple(word.text for word in function.words)


def test_answers_are_worded_by_the_template(model_of, noise):
    model = model_of()
    function = target_function(model, noise, "what is it?", "yes", "no")
    assert function.prompt == VQA.prompt(Example("", noise, "", question="what is it?"))
    assert function.target.texts == (" yes", " no") and function.names == ("yes − no",)
    caption = target_function(model, noise, answer="a red star", each_word=False)
    assert caption.prompt == (noise,) and caption.names == ("a red star",)


def test_demonstrations_stand_in_front(model_of, noise):
    shot = Example("s", Painted("red"), "s", question="what?", answer="red")
    function = target_function(model_of(), noise, "what is it?", "yes", shots=[shot])
    assert function.image is noise and len(function.batch.image_keys) == 2


def test_methods_are_given_or_occlusion(model_of, noise):
    (maps,) = explain(model_of(), noise, "what is it?", answer="yes")
    assert maps.method == "occlusion" and maps.names == ("yes",) and maps.grid == (7, 7)
    (maps,) = explain(model_of(), noise, "what is it?", [Occlusion(level="cell")], answer="yes")
    assert maps.grid == (4, 4)


def test_a_model_that_says_nothing_needs_a_text(model_of, noise, monkeypatch):
    model = model_of()
    monkeypatch.setattr(model, "generate", lambda *args, **options: ["\n"])
    with pytest.raises(UserError, match=r"the model says nothing about noise.png; name the text to explain"):
        target_function(model, noise, "what is it?")
