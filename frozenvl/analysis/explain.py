"""`explain`: maps of what a text about an image depends on."""

from __future__ import annotations

from collections.abc import Sequence

from frozenvl.analysis.method import Maps, Method
from frozenvl.analysis.occlusion import Occlusion
from frozenvl.analysis.target import Target, TargetFunction
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.processor import Processor
from frozenvl.prompt import Example, Image
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

MAX_NEW_TOKENS = 32
"""Maximal length of a text that the model is asked for, in tokens."""


def target_function(
    model: FrozenVL,
    image: Image,
    question: str = "",
    answer: str = "",
    against: str = "",
    each_word: bool | None = None,
    processor: Processor | None = None,
    template: Template | None = None,
    shots: Sequence[Example] = (),
) -> TargetFunction:
    """Returns the function whose values are explained: of a caption or an answer about an image.

    Args:
        model: model in eval mode.
        image: image.
        question: question about it; empty for a caption.
        answer: text to explain; by default what the model says, greedily.
        against: another text; the value is then log p(answer) - log p(against).
        each_word: whether each word has a value of its own; by default unless `against` is given.
        processor: this model's processor; by default a new one.
        template: wording; by default the model's own of questions, or the image alone.
        shots: examples in front.

    Raises:
        UserError: if the model says nothing, or as `TargetFunction` does.
    """
    processor = processor or model.processor()
    if template is None:
        template = model.question_template(processor) if question else Template()
    prompt = template.prompt(Example(image.name, image, image.name, question=question), shots)
    if not answer:
        batch = processor([prompt]).to(model.device)
        (generated,) = model.generate(batch, processor, MAX_NEW_TOKENS, template.stops)
        answer = template.answer(generated)
        if not answer:
            raise UserError(f"the model says nothing about {image.name}; name the text to explain (--answer)")
    word = lambda text: template.target.format(target=text.strip()) if text else ""
    each_word = not against if each_word is None else each_word
    return TargetFunction(model, processor, prompt, Target(word(answer), each_word, word(against)))


def explain(
    model: FrozenVL, image: Image, question: str = "", methods: Sequence[Method] = (), **options: object
) -> list[Maps]:
    """Explains what a model says about an image, by each of several methods.

    Args:
        model: model in eval mode.
        image: image.
        question: question about it; empty for a caption.
        methods: methods; by default occlusion.
        options: further arguments of `target_function`.

    Raises:
        UserError: if a method cannot explain this model, or as `target_function` does.
    """
    function = target_function(model, image, question, **options)  # type: ignore[arg-type]
    return [method.maps(function) for method in methods or (Occlusion(),)]
