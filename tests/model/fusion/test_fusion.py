"""Interface of fusions, and what all fusions inside the layers have in common."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from architectures import ALL
from fused import MAKE, NO_LAYER_PREFIX
from losses import loss_of
from own_fusion import GatedAdd
from painted import Painted
from samples import BLUE, RED, SAMPLES, SUPPORT, WIDE, join
from torch import Tensor
from tuned import perturb

from frozenvl.model.batch import Batch
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.fusion import CrossAttention, Fusion, LayerFusion, LayerPrefix
from frozenvl.model.language.activation_checkpointing import checkpoint_layers
from frozenvl.model.part import Part
from frozenvl.model.processor import Pixels
from frozenvl.model.tuning import LoRA, PromptTuning
from frozenvl.prompt import Sample
from frozenvl.training.optim import parameter_groups
from frozenvl.util.errors import UserError
from frozenvl.video import Video

PAIRS = [
    (kind, name) for kind in ALL for name in MAKE if name != "layer_prefix" or kind not in NO_LAYER_PREFIX
]
RESTS = [(WIDE, "Question: what color?"), ("This is a",), (BLUE, "This", RED, "is")]


class Nowhere(Fusion):
    """Fusion in which images take no positions."""

    def places(self, k: int) -> int:
        return 0

    def embeddings(self, text: Tensor, batch: Batch, prefix: Tensor) -> Tensor:
        return text


@pytest.fixture
def fused(build, processor_of):
    """Function that returns a model with a fusion whose gates are open, and its processor."""

    def make(kind: str = "llama", name: str = "cross_attention", **options):
        model = build(kind, fusion=MAKE[name](), **options)
        perturb(model)
        return model, processor_of(model)

    return make


@torch.no_grad()
def states(model: FrozenVL, batch: Batch) -> list[Tensor]:
    """Returns the last hidden states (length, dim) of each row."""
    rows: dict[int, Tensor] = {}
    for chunk, hidden in model.run(batch).hidden():
        rows |= zip(chunk.index.tolist(), hidden.split(chunk.lengths.tolist()), strict=True)
    return [rows[row] for row in range(len(batch))]


def gradients(model: FrozenVL, batch: Batch) -> dict[str, Tensor]:
    model.zero_grad()
    loss_of(model, batch).nll.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad}


def assert_same_gradients(found, expected, **tolerance):
    assert found.keys() == expected.keys() and any("fusion" in name and g.any() for name, g in found.items())
    for name, gradient in found.items():
        torch.testing.assert_close(
            gradient, expected[name], **tolerance, msg=lambda text, at=name: f"{at}: {text}"
        )


def test_the_identity_of_a_fusion_is_its_class_path():
    assert Nowhere().identity() == {"fusion": f"{__name__}.Nowhere"}


def test_a_fusion_has_to_define_places_and_embeddings():
    with pytest.raises(TypeError, match=r"abstract methods? '?embeddings'?,? (and )?'?places"):
        Fusion()
    with pytest.raises(TypeError, match="conditioner"):
        LayerFusion()
    assert isinstance(Nowhere(), Part) and Nowhere().trained() == {}


def test_attach_creates_the_weights(language):
    model, made = copy.deepcopy(language("llama")), GatedAdd(0.5)
    assert made.trained() == {}
    made.attach(model)
    assert made.trained()["gate"].shape == (model.dim,)
    assert Nowhere().attach(model) is None and Nowhere().conditioner(torch.zeros(1, 1, 2)) is None


@pytest.mark.matrix("fusions in the layers start as the bare model, bit by bit")
@pytest.mark.parametrize("name", [name for name in MAKE if name != "layer_prefix"])
@pytest.mark.parametrize("kind", ALL)
def test_it_starts_as_the_bare_language_model(build, language, processor_of, kind, name):
    assert_starts_as(language(kind), build(kind, fusion=MAKE[name]()), processor_of)


@pytest.mark.matrix(
    "and the layer prefix",
    cannot=dict.fromkeys(NO_LAYER_PREFIX, "the layer prefix is refused: its attention cannot be extended"),
)
@pytest.mark.parametrize("kind", ALL)
def test_a_layer_prefix_starts_as_the_bare_language_model_or_is_refused(build, language, processor_of, kind):
    if kind in NO_LAYER_PREFIX:
        with pytest.raises(UserError, match=r"LayerPrefix on .*; use CrossAttention"):
            build(kind, fusion=MAKE["layer_prefix"]())
        return
    assert_starts_as(language(kind), build(kind, fusion=MAKE["layer_prefix"]()), processor_of)


def assert_starts_as(bare, model, processor_of):
    """The logits equal those of a language model that was never attached to a fusion, and later differ."""
    batch = processor_of(model)(SAMPLES)
    assert model.language.layers[0] is not bare.layers[0]
    (chunk,) = batch.chunks(4096)
    inputs = model.embeddings(chunk, model.run(batch).prefix)
    expected = bare.head(bare.hidden(inputs, chunk.lengths))
    order = chunk.index.tolist()
    found = torch.cat([states(model, batch)[row] for row in order])
    assert model.language.head(found).equal(expected)
    perturb(model)
    assert not model.language.head(torch.cat([states(model, batch)[row] for row in order])).allclose(expected)


@pytest.mark.parametrize("name", MAKE)
def test_text_before_the_first_image_is_not_changed(fused, language, name):
    model, processor = fused(name=name)
    bare, text = language("llama"), torch.tensor([processor.encode("How many")])
    plain = bare.hidden(bare.embed(text), torch.tensor([text.shape[1]]))
    one, other, alone = (
        states(model, processor([prompt]))[0]
        for prompt in (("How many", RED, "are there?"), ("How many", BLUE, "are there?"), ("How many",))
    )
    assert alone.equal(plain)
    for found in one, other:
        torch.testing.assert_close(found[: len(plain)], plain, rtol=1e-5, atol=1e-6)
    assert not one[len(plain) :].allclose(other[len(plain) :])


@pytest.mark.parametrize(("kind", "name"), PAIRS)
def test_a_batch_gives_the_results_of_single_samples(fused, kind, name):
    """Compares hidden states, scores, texts, and texts of both kinds of beam search."""
    model, processor = fused(kind, name)
    together, prompts = processor(SAMPLES), [sample.prompt for sample in SAMPLES]
    for row, sample in zip(states(model, together), SAMPLES, strict=True):
        torch.testing.assert_close(row, states(model, processor([sample]))[0], rtol=1e-4, atol=2e-5)
    alone = torch.cat([model.score(processor([sample])) for sample in SAMPLES])
    torch.testing.assert_close(model.score(together), alone, rtol=1e-4, atol=1e-4)
    for options in {}, {"num_beams": 3}:
        texts = model.generate(processor(prompts), processor, 6, **options)
        assert texts == [model.generate(processor([p]), processor, 6, **options)[0] for p in prompts]
        assert len(set(texts)) > 1
    # A penalty too small to change a text takes the way through transformers' `generate`.
    through = model.generate(processor(prompts), processor, 6, num_beams=3, repetition_penalty=1 + 1e-7)
    assert texts == through


@pytest.mark.parametrize(("kind", "name"), PAIRS)
def test_a_generated_text_is_the_likeliest_token_after_token(fused, kind, name):
    """Each token is computed from the whole sequence, without a cache."""
    model, processor = fused(kind, name)
    prompt = (RED, "a\n", BLUE, "This")
    (text,) = model.generate(processor([prompt]), processor, 5)
    tokens: list[int] = []
    for _ in range(5):
        batch = processor([Sample("", prompt, processor.decode([0]))])
        made = processor([prompt])
        row = [*made.tokens[0].tolist(), *tokens]
        more = lambda column, value: torch.tensor([[*column[0].tolist(), *[value] * len(tokens)]])
        batch = Batch(
            ids=made.ids,
            tokens=torch.tensor([row]),
            slots=more(made.slots, -1),
            labels=more(made.labels, -100),
            lengths=made.lengths + len(tokens),
            images=made.images,
            image_of=more(made.image_of, int(made.image_of[0, -1])),
        )
        token = int(model.language.head(states(model, batch)[0][-1:]).argmax())
        if token == processor.end:
            break
        tokens.append(token)
    assert text == processor.decode(tokens) and tokens


@pytest.mark.parametrize(("kind", "name"), [pair for pair in PAIRS if pair[0] not in ("mamba",)])
def test_a_shared_beginning_gives_the_results_of_whole_prompts(fused, kind, name):
    """Text in the rest, before its first image, sees the images of the shared part."""
    model, processor = fused(kind, name)
    shared = model.prefill(processor, SUPPORT)
    whole = [join(SUPPORT, rest) for rest in RESTS]
    expected = model.generate(processor(whole), processor, 6)
    assert model.generate(processor(RESTS, start=False), processor, 6, prompt_cache=shared) == expected
    samples = lambda prompts: [Sample(str(at), prompt, " dax.") for at, prompt in enumerate(prompts)]
    scores = model.score(processor(samples(RESTS), start=False), shared)
    torch.testing.assert_close(scores, model.score(processor(samples(whole))), rtol=1e-4, atol=1e-4)
    candidates = [[" dax", " blicket"]] * len(RESTS)
    ranked = model.rank_candidates(processor, RESTS, candidates, shared)
    for row, other in zip(ranked, model.rank_candidates(processor, whole, candidates), strict=True):
        assert [one.logp for one in row] == pytest.approx([one.logp for one in other], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize(("kind", "tolerance"), [("gpt2", 1e-9), ("neox", 1e-9), ("mistral", 1e-4)])
def test_packed_sequences_with_shared_beginnings_have_the_gradients_of_padded_ones(
    fused, kind, name, tolerance
):
    """In fp64, but for a norm that some architectures compute in fp32."""
    model, processor = fused(kind, name)
    batch = processor([*SAMPLES, Sample("again", SAMPLES[1].prompt, " red")])
    assert batch.tree.saved and model.language.packs
    model.double()
    packed = gradients(model, batch)
    model.language.packs = False
    assert_same_gradients(packed, gradients(model, batch), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", MAKE)
def test_recomputed_layers_have_the_same_gradients(fused, name, bf16):
    model, processor = fused(name=name, trainable=True)
    if bf16:
        model.hold_frozen_in_bf16()
    expected = gradients(model, processor(SAMPLES))
    checkpoint_layers(model.language)
    found = gradients(model, processor(SAMPLES))
    assert found.keys() == expected.keys() and all(found[key].equal(expected[key]) for key in found)


@pytest.mark.parametrize("name", MAKE)
def test_bf16_trains_in_fp32(fused, name):
    model, processor = fused(name=name)
    wide = loss_of(model, processor(SAMPLES)).nll
    model.hold_frozen_in_bf16()
    found = gradients(model, processor(SAMPLES))
    assert all(gradient.dtype == torch.float32 and gradient.isfinite().all() for gradient in found.values())
    torch.testing.assert_close(loss_of(model, processor(SAMPLES)).nll, wide, rtol=0.05, atol=0)
    assert model.generate(processor([(RED,)]), processor, 3)


@pytest.mark.parametrize("tuning", [LoRA, PromptTuning])
@pytest.mark.parametrize("name", MAKE)
def test_a_tuning_beside_it_is_trained_too(fused, name, tuning):
    model, processor = fused(name=name, tuning=tuning())
    found = gradients(model, processor(SAMPLES))
    assert {key.split(".")[0] for key, gradient in found.items() if gradient.any()} >= {"fusion", "mapper"}
    assert any(gradient.any() for key, gradient in found.items() if "lora" in key or "tuning" in key)
    texts = model.generate(processor([sample.prompt for sample in SAMPLES]), processor, 5)
    assert texts == [model.generate(processor([s.prompt]), processor, 5)[0] for s in SAMPLES]


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", MAKE)
def test_interleaved_passes_do_not_disturb_each_other(fused, name, checkpointing):
    """Both forward passes come before both backward passes, and a text is generated between them."""
    model, processor = fused(name=name)
    if checkpointing:
        checkpoint_layers(model.language)
    first, second = processor(SAMPLES[:2]), processor(SAMPLES[2:])
    apart = [gradients(model, batch) for batch in (first, second)]
    expected = {key: apart[0][key] + apart[1][key] for key in apart[0]}
    model.zero_grad()
    losses = [loss_of(model, batch).nll for batch in (first, second)]
    model.generate(processor([(WIDE, "This")]), processor, 4)
    for loss in losses:
        loss.backward()
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
    assert_same_gradients(found, expected, rtol=1e-4, atol=1e-5)


def test_models_that_share_a_language_model_do_not_disturb_each_other(build, processor_of):
    """Nothing of a fusion is stored on the language model's layers."""
    one = build(fusion=CrossAttention(every=1, heads=2, width=8))
    perturb(one)
    torch.manual_seed(3)
    others = [
        FrozenVL(one.language, one.vision, lambda *_: copy.deepcopy(one.mapper), 2, fusion=fusion)
        for fusion in (LayerPrefix(8), CrossAttention(every=2, heads=2, width=8), None)
    ]
    for other in others[:2]:
        perturb(other)
    alone = copy.deepcopy(one)
    processor = processor_of(one)
    batch = processor(SAMPLES)
    expected = states(alone, batch)
    results = [[row.clone() for row in states(other, processor_of(other)(SAMPLES))] for other in others]
    assert all(map(Tensor.equal, states(one, batch), expected))
    assert not any(
        first[0].allclose(second[0]) for first, second in ((results[0], results[1]), (expected, results[1]))
    )
    keys = one.language.state_dict().keys()
    assert keys == build().language.state_dict().keys()


def test_passes_in_threads_do_not_disturb_each_other(fused):
    models = [fused(name=name) for name in ("cross_attention", "add", "multiply")]
    prompts = [(image, "This is") for image in (RED, BLUE, WIDE)]
    run = lambda pair: [pair[0].generate(pair[1]([prompt]), pair[1], 8)[0] for prompt in prompts]
    expected = [run(pair) for pair in models]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(run, models * 3)) == expected * 3


def test_gates_and_tag_are_trained_without_weight_decay(fused):
    model, _ = fused()
    groups = {group["name"]: group for group in parameter_groups(model.parts, {})}
    fixed = {id(weight) for weight in groups["fusion (no weight decay)"]["params"]}
    names = {name for name, weight in model.fusion.named_parameters() if id(weight) in fixed}
    assert groups["fusion (no weight decay)"]["weight_decay"] == 0.0
    assert names == {"tag"} | {
        f"blocks.{block}.{part}gate.gate" for block in "01" for part in ("", "feed_forward.")
    }


@pytest.mark.parametrize("name", MAKE)
def test_an_export_generates_the_same_texts(fused, name, tmp_path):
    model, processor = fused(name=name)
    model.save_pretrained(tmp_path)
    loaded = FrozenVL.from_pretrained(tmp_path)
    assert loaded.fusion.arguments == model.fusion.arguments
    prompts = processor([sample.prompt for sample in SAMPLES])
    assert loaded.generate(prompts, processor, 6) == model.generate(prompts, processor, 6)


@pytest.mark.parametrize("name", MAKE)
def test_an_image_takes_one_position_with_the_same_tag(fused, name):
    model, processor = fused(name=name)
    batch = processor([(RED, "a", BLUE), ("a",)])
    assert batch.slots.tolist()[0][0] == 0 and batch.slots.tolist()[0][-1] == 1
    inputs = model.embeddings(batch, model.run(batch).prefix)
    assert inputs[0, 0].equal(model.fusion.tag) and inputs[0, -1].equal(model.fusion.tag)
    assert inputs[1, 0].equal(model.language.embed(batch.tokens[1, 0]))


@pytest.mark.parametrize("name", MAKE)
def test_only_fusions_that_see_all_images_take_videos(build, name):
    """The others would answer from the last frame alone."""
    model = build("llama", fusion=MAKE[name]())
    video = Video([Painted("red"), Painted("blue")])
    processor = model.processor(reader=Pixels(8))
    if name == "all_images":
        assert not model.fusion.sees_last and processor([(video, "a text")]).images.shape[0] == 2
        return
    with pytest.raises(
        UserError, match=rf"has 2 frames, and with {type(model.fusion).__name__} a text sees only"
    ):
        processor([(video, "a text")])
