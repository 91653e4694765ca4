"""Target functions: their values are the model's own log-probabilities, at any level, with gradients."""

import pytest
import torch
from fused import MAKE
from painted import Painted

from frozenvl.analysis.target import Target, TargetFunction
from frozenvl.util.errors import UserError

LEVELS = ("pixel", "cell", "prefix")


def open_gates(model):
    """Opens the gates of a fusion inside the layers."""
    for name, weight in model.fusion.named_parameters():
        if name.endswith("gate"):
            torch.nn.init.constant_(weight, 0.05)


def test_words_sum_to_the_log_probability_of_the_text_at_every_level(model_of, function_of):
    model = model_of()
    function = function_of(model)
    (likelihood,) = model.rank_candidates(function.processor, [function.prompt], [[" red circle"]])[0]
    assert function.names == ("red", "circle")
    for level in LEVELS:
        with torch.no_grad():
            values = function(function.at(level), level)
        assert float(values.sum()) == pytest.approx(likelihood.logp - likelihood.end, abs=1e-4)
    whole = function_of(model, each_word=False)
    assert float(whole(whole.at("pixel")).detach()) == pytest.approx(float(values.sum()), abs=1e-4)


def test_log_odds_are_the_difference_of_two_answers(model_of, function_of):
    model = model_of()
    function = function_of(model, " red", False, " blue star")
    ranked = model.rank_candidates(function.processor, [function.prompt], [[" red", " blue star"]])[0]
    red, blue = (answer.logp - answer.end for answer in ranked)
    assert function.names == ("red − blue star",)
    assert float(function(function.at("pixel")).detach()) == pytest.approx(red - blue, abs=1e-4)


@pytest.mark.parametrize("kind", ["llama", "mamba", "cross_attention", "all_images", "layer_prefix"])
def test_versions_of_one_image_among_several_are_those_of_prompts_with_it(kind, model_of, noise, language):
    """Each version replaces the image in a prompt with another image and a demonstration."""
    inside = kind not in ("llama", "mamba")
    model = model_of(language=language("llama" if inside else kind), fusion=MAKE[kind]() if inside else None)
    open_gates(model)
    red, blue = Painted("red", (64, 64)), Painted("blue", (64, 64))
    prompt = lambda image: (red, "a red square\n", image, "Question: what? Answer:")
    function = TargetFunction(model, model.processor(), prompt(blue), Target(" yes"), image=1)
    others = [noise, red, blue]
    processor = model.processor()
    pixels = processor.reader(others).float()
    with torch.no_grad():
        values = function(pixels)[:, 0]
    for value, image in zip(values, others, strict=True):
        likelihood = model.rank_candidates(processor, [prompt(image)], [[" yes"]])[0][0]
        assert float(value) == pytest.approx(likelihood.logp - likelihood.end, abs=1e-3)


def test_the_gradient_is_the_slope(model_of, function_of):
    function = function_of(model_of())
    prefix = function.at("prefix").clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(prefix, "prefix")[0, 1], prefix)
    step = torch.randn_like(slope) * 1e-3
    with torch.no_grad():
        up, down = function(prefix + step, "prefix"), function(prefix - step, "prefix")
    assert float(up[0, 1] - down[0, 1]) / 2 == pytest.approx(float((slope * step).sum()), rel=0.05, abs=1e-5)


def test_the_photograph_is_found_in_its_square(model_of, function_of, noise):
    function = function_of(model_of())
    left, top, right, bottom = function.box
    assert (left, top, right, bottom) == (0, 16, 64, 48) and function.size == 64
    pixels = function.at("pixel")[0]
    assert pixels[:, :top].eq(0).all() and pixels[:, bottom:].eq(0).all() and pixels[:, top:bottom].any()
    assert function.image is noise


def test_a_long_text_is_never_cut(model_of, function_of):
    text = " red" * 100
    assert len(function_of(model_of(), text).names) == 100


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (("",), "the text to explain is empty"),
        ((" a", True, " b"), "the log-odds of two answers have no words"),
        ((" a", False, " a"), "the two answers are the same ('a')"),
    ],
)
def test_targets_that_mean_nothing_are_refused(target, line):
    with pytest.raises(UserError, match=line.replace("(", r"\(").replace(")", r"\)")):
        Target(*target)


def test_prompts_that_cannot_be_explained_are_refused(model_of, noise):
    model = model_of()
    with pytest.raises(UserError, match="the prompt has 0 images"):
        TargetFunction(model, model.processor(), ("a",), Target(" b"))
    with pytest.raises(UserError, match="the prompt has 1 images, and none of number 1"):
        TargetFunction(model, model.processor(), (noise, "a"), Target(" b"), image=1)
