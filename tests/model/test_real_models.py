"""Small real models, whose weights differ from random ones."""

import copy

import pytest
import torch
from losses import loss_of
from painted import Painted

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import Linear
from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.vision import TimmEncoder
from frozenvl.prompt import Sample

pytestmark = pytest.mark.real

CAPTIONS = [
    "A child in a pink dress is climbing up a set of stairs in an entry way.",
    "Two dogs.",
    "A black dog and a spotted dog are fighting over a stick near the water.",
]


@pytest.fixture(scope="module")
def model(fetched):
    fetched("SmolLM2-135M-Instruct")
    fetched("EfficientNet-Lite0")
    torch.manual_seed(0)
    return FrozenVL(
        FrozenLanguageModel("SmolLM2-135M-Instruct"), TimmEncoder("EfficientNet-Lite0"), Linear, 2
    )


@pytest.fixture(scope="module")
def processor(model):
    return Processor("SmolLM2-135M-Instruct", model.k, Pixels(model.vision.size))


@pytest.fixture(scope="module")
def batch(processor):
    colours = ["pink", "black", "gray"]
    return processor([Sample(c, (Painted(colour),), c) for c, colour in zip(CAPTIONS, colours, strict=True)])


def padded(model, batch):
    model.language.packs = False
    try:
        return loss_of(model, batch).nll.item()
    finally:
        model.language.packs = True


@pytest.mark.nightly
def test_packed_and_padded_batches_give_the_same_loss(model, batch):
    assert model.language.packs
    packed = loss_of(model, batch).nll.item()
    assert packed == pytest.approx(padded(model, batch), rel=1e-5)
    half = copy.deepcopy(model)
    half.hold_frozen_in_bf16()
    assert loss_of(half, batch).nll.item() == pytest.approx(padded(half, batch), rel=0.03)
    assert loss_of(half, batch).nll.item() == pytest.approx(packed, rel=0.03)


def test_greedy_equals_transformers_generate(model, processor):
    """transformers starts from token ids, frozenvl from embeddings."""
    texts = ["The capital of France is", "Question: What color is the sky? Answer:"]
    ours = model.generate(processor([(text,) for text in texts]), processor, 6)
    for text, answer in zip(texts, ours, strict=True):
        tokens = processor.tokenizer(text, return_tensors="pt")
        options = {"max_new_tokens": 6, "do_sample": False, "num_beams": 1, "eos_token_id": processor.end}
        out = model.language.model.generate(**tokens, **options)[0]
        new = out[tokens["input_ids"].shape[1] :].tolist()
        assert answer == processor.decode(new)
    assert ours[0].startswith(" Paris")


QUESTIONS = ["What color is the sky?", "Is fire hot?", "How many legs has a dog?", "What do cows drink?"]


def prompts_after(lead):
    """Returns 32 questions of unequal length, without and with the support set before them."""
    images = [Painted(colour) for colour in ("blue", "red")]
    places = ("", "in spring ", "over there in the old town ", "now ")
    words = [
        (image, f"{place}Question: {q} Answer:") for image in images for place in places for q in QUESTIONS
    ]
    return words, [(*lead, *rest) for rest in words]


@pytest.mark.nightly
def test_a_prompt_cache_and_the_batch_size_change_no_text(model, processor):
    lead = (Painted("pink"), "Question: What is it? Answer: a dress\n", Painted("black"), "A dog.\n")
    rests, whole = prompts_after(lead)
    shared = model.prefill(processor, lead)
    texts = model.generate(processor(rests, start=False), processor, 4, prompt_cache=shared)
    assert texts == model.generate(processor(whole), processor, 4) and len(set(texts)) > 4
    alone = [
        model.generate(processor([rest], start=False), processor, 4, prompt_cache=shared)[0]
        for rest in rests[::9]
    ]
    assert alone == texts[::9]


def test_ranking_of_candidates_equals_their_scores(model, processor):
    prompts = [
        ("The capital of France is",),
        (Painted("blue"), "Question: Is fire hot or cold? Answer: fire is"),
    ]
    candidates = [[" London", " Paris", " a large blue fish"], [" hot", " green"]]
    ranked = model.rank_candidates(processor, prompts, candidates)
    assert max(range(3), key=lambda place: ranked[0][place].logp) == 1
    assert ranked[1][0].logp > ranked[1][1].logp
    for prompt, texts, row in zip(prompts, candidates, ranked, strict=True):
        scores = model.score(processor([Sample(text, prompt, text) for text in texts]))
        assert [each.logp for each in row] == pytest.approx(scores.tolist(), abs=1e-4)
