"""Prompt cache: a shared prefix is computed once, with the results of whole prompts."""

import pytest
import torch
from architectures import PACKED, PADDED
from samples import BLUE, RED, SUPPORT, WIDE, join
from test_processor import byte_level_with_start
from transformers import PreTrainedConfig

from frozenvl.model.batch import Batch
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.prefix_cache import PrefixCache
from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.tuning import PrefixTuning
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError

KINDS = [*PACKED, *PADDED]
RESTS = [
    (WIDE, "Question: what color is the circle? Answer:"),
    (RED,),
    (BLUE, "This is a"),
    (WIDE, "a child in a pink dress", RED, "is"),
    (RED, "How many squares are there?"),
]
TARGETS = [" red", "a large red circle", " dax.", " yes", " 3"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lead", [SUPPORT, (*SUPPORT, RED), ("Say what you see.\n",), (RED,)])
def test_a_prompt_cache_gives_the_results_of_whole_prompts(build, processor_of, kind, lead):
    """Covers remainders of unequal length, some longer than the prefix, sliding windows and absolute positions."""
    model = build(kind)
    processor = processor_of(model)
    shared = model.prefill(processor, lead)
    whole = [join(lead, rest) for rest in RESTS]
    assert len(shared) == int(processor([lead]).lengths[0])
    lengths = processor(RESTS, start=False).lengths + len(shared)
    assert lengths.equal(processor(whole).lengths) and len(set(lengths.tolist())) > 2

    expected = model.generate(processor(whole), processor, 8)
    assert model.generate(processor(RESTS, start=False), processor, 8, prompt_cache=shared) == expected
    for rest, text in zip(RESTS, expected, strict=True):
        assert model.generate(processor([rest], start=False), processor, 8, prompt_cache=shared) == [text]
    assert len(set(expected)) > 1

    def samples(prompts):
        return [Sample(str(n), p, t) for n, (p, t) in enumerate(zip(prompts, TARGETS, strict=True))]

    scores = model.score(processor(samples(RESTS), start=False), prompt_cache=shared)
    torch.testing.assert_close(scores, model.score(processor(samples(whole))), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma3", "bloom"])
def test_several_batches_can_use_one_prompt_cache(build, processor_of, kind):
    model = build(kind)
    processor = processor_of(model)
    shared = model.prefill(processor, SUPPORT)
    before = [(layer.keys.clone(), layer.values.clone()) for layer in shared.past.cache.layers]
    batch = processor(RESTS, start=False)
    first = model.generate(batch, processor, 8, prompt_cache=shared)
    model.rank_candidates(processor, RESTS, [["a", " b"]] * len(RESTS), prompt_cache=shared)
    model.score(processor([Sample("1", RESTS[0], " red")], start=False), prompt_cache=shared)
    assert model.generate(batch, processor, 8, prompt_cache=shared) == first
    for layer, (keys, values) in zip(shared.past.cache.layers, before, strict=True):
        assert layer.keys.equal(keys) and layer.values.equal(values)


def test_the_shared_prefix_is_computed_once(build, processor_of, monkeypatch):
    model = build()
    processor = processor_of(model)
    shared = model.prefill(processor, SUPPORT)
    read, base = [], model.language.model.base_model.forward
    monkeypatch.setattr(
        model.language.model.base_model,
        "forward",
        lambda **inputs: read.append(tuple(inputs["inputs_embeds"].shape[:2])) or base(**inputs),
    )
    batch = processor(RESTS, start=False)
    model.generate(batch, processor, 1, prompt_cache=shared)
    assert read == [(len(RESTS), int(batch.lengths.max()))]


def test_the_batch_size_changes_no_text(build, processor_of):
    model = build("gpt2")
    processor = processor_of(model)
    shared = model.prefill(processor, SUPPORT)
    words = ["a", "red", "is", "how", "large", "yes", "3", "no"]
    rests = [(image, f"{a} {b}") for image in (RED, BLUE) for a in words for b in words[:4]]
    together = model.generate(processor(rests, start=False), processor, 5, prompt_cache=shared)
    assert len(rests) == 64 and len(set(together)) > 1
    alone = [model.generate(processor([r], start=False), processor, 5, prompt_cache=shared)[0] for r in rests]
    assert alone == together
    assert [model.generate(processor([SUPPORT + r]), processor, 5)[0] for r in rests] == together


def test_beam_search_and_stop_markers(build, processor_of):
    model = build()
    processor = processor_of(model)
    shared = model.prefill(processor, SUPPORT)
    rests, whole = processor(RESTS, start=False), processor([SUPPORT + rest for rest in RESTS])
    beams = model.generate(rests, processor, 6, prompt_cache=shared, num_beams=3)
    assert beams == model.generate(whole, processor, 6, num_beams=3)
    stop = (model.generate(whole, processor, 6)[0][2],)
    stopped = model.generate(rests, processor, 6, stop, prompt_cache=shared)
    assert stopped == model.generate(whole, processor, 6, stop) != model.generate(whole, processor, 6)


def test_a_token_across_the_end_of_the_prefix_is_refused(build, processor_of):
    model = build()
    processor = processor_of(model)
    shared = model.prefill(processor, (RED, "How ma"))
    batch = processor([(BLUE,), ("ny squares",)], start=False)
    for call in (
        lambda: model.generate(batch, processor, 3, prompt_cache=shared),
        lambda: model.score(batch, prompt_cache=shared),
        lambda: model.rank_candidates(processor, [("ny squares",)], [[" 3"]], prompt_cache=shared),
    ):
        with pytest.raises(UserError, match="joins 'How ma' and 'ny squares'") as caught:
            call()
        assert "\n" not in str(caught.value)
    processor.check_split("How", [" many", "", "\n"])


def test_a_whole_prompt_as_remainder_is_refused(build, processor_of):
    model = build()
    processor = processor_of(model)
    shared = model.prefill(processor, SUPPORT)
    with pytest.raises(ValueError, match="start=False"):
        model.generate(processor(RESTS), processor, 3, prompt_cache=shared)


def test_positions_of_the_prefix_count_towards_the_limit(build, processor_of):
    model = build("gpt2")
    processor = processor_of(model)
    shared = model.prefill(processor, SUPPORT)
    batch = processor([(RED,)], start=False)
    left = 128 - len(shared) - int(batch.lengths[0])
    model.generate(batch, processor, left, prompt_cache=shared)
    with pytest.raises(UserError, match="continuation has 129 positions"):
        model.generate(batch, processor, left + 1, prompt_cache=shared)
    with pytest.raises(UserError, match=r"has \d+ positions.*only 128"):
        model.prefill(processor, (RED, "circle" * 200))
    with pytest.raises(UserError, match=r"has \d+ positions.*only 128"):
        model.rank_candidates(processor, [(RED,)], [["circle" * 200]], prompt_cache=shared)


def test_the_bos_token_is_only_in_the_prefix(tmp_path):
    byte_level_with_start(tmp_path)
    PreTrainedConfig().save_pretrained(tmp_path)
    processor = Processor(str(tmp_path), 2, Pixels(8))
    whole, rest = processor([("What\n is",)]).tokens[0], processor([(" is",)], start=False).tokens[0]
    lead = processor([("What\n",)]).tokens[0]
    assert torch.cat([lead, rest]).equal(whole) and lead[0] == processor.tokenizer.bos_token_id


def test_a_recurrent_model_has_no_prompt_cache_but_ranks_candidates(build, processor_of):
    model = build("mamba")
    processor = processor_of(model)
    with pytest.raises(UserError, match="cannot share a leading part"):
        model.prefill(processor, SUPPORT)
    with pytest.raises(UserError, match=r"prefix tuning on .*keep keys and values"):
        build("mamba", tuning=PrefixTuning(3))
    prompts, candidates = (
        [(RED, "This is a"), (WIDE,)],
        [[" dax", " blicket and a circle"], ["a child", "no"]],
    )
    for prompt, texts, row in zip(
        prompts, candidates, model.rank_candidates(processor, prompts, candidates), strict=True
    ):
        scores = model.score(processor([Sample(text, prompt, text) for text in texts]))
        assert [each.logp for each in row] == pytest.approx(scores.tolist(), rel=1e-5)


def test_a_prompt_cache_can_be_built_from_cached_image_prefixes(build):
    model = build().eval()
    prefixes = PrefixCache(model, Pixels(64))
    kept, plain = (Processor(model.language.name, 2, reader) for reader in (prefixes, Pixels(64)))
    before = RED.reads
    shared = model.prefill(kept, SUPPORT)
    texts = model.generate(kept(RESTS, start=False), kept, 6, prompt_cache=shared)
    assert RED.reads == before + 1
    assert texts == model.generate(plain([SUPPORT + rest for rest in RESTS]), plain, 6)


def test_images_with_one_key_do_not_move_the_images_of_the_rest():
    """Two images of the leading part may have the same key; their vectors are two all the same."""
    empty = torch.zeros(2, 3, dtype=torch.long)
    lead = torch.tensor([[0, 1]])
    cache = PromptCache(
        None, torch.zeros(2, 4), "", False, None, torch.zeros(2, 1, 4), lead, ("same", "same")
    )
    image_of = torch.tensor([[-1, 0, 0], [0, 0, -1]])
    images, lengths = torch.zeros(1, 1, 4), torch.tensor([3, 2])
    batch = Batch(("a", "b"), empty, empty, empty, lengths, images, image_of=image_of, image_keys=("new",))
    assert cache.whole_image_of(batch).tolist() == [[0, 1, 1, 2, 2], [0, 1, 2, 2, -1]]
