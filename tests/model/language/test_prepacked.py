"""Prepacked linear layers: equal bits, which layers are packed, and that nothing stays behind."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from sequences import LENGTHS, rows
from torch import nn

from frozenvl.model.language import prepacked as module
from frozenvl.model.language.beam_search import BeamOptions, beam_search
from frozenvl.model.language.decoding import greedy
from frozenvl.model.language.prepacked import MIN_STEPS, can_prepack, prepacked


def packed(model: nn.Module) -> list[str]:
    return [name for name, layer in model.named_modules() if "forward" in vars(layer)]


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
def test_products_are_those_of_plain_layers(kind, bias):
    torch.manual_seed(0)
    layer = nn.Linear(48, 80, bias=bias).to(kind)
    if not can_prepack(layer):
        pytest.skip("this machine packs no weights of this type")
    for shape in ((1, 48), (7, 48), (5, 3, 48)):
        inputs = torch.randn(shape).to(kind)
        with torch.no_grad(), prepacked(MIN_STEPS, nn.Sequential(layer)):
            assert packed(nn.Sequential(layer)) == ["0"]
            ours = layer(inputs)
        torch.testing.assert_close(ours, layer(inputs), rtol=1e-5, atol=1e-5)


def test_autocast_goes_on_as_before():
    torch.manual_seed(0)
    wide, narrow = nn.Linear(16, 16), nn.Linear(16, 16).bfloat16()
    model, inputs = nn.Sequential(wide, narrow), torch.randn(4, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        plain = model(inputs)
        with prepacked(MIN_STEPS, model):
            assert model(inputs).equal(plain) and plain.dtype == torch.bfloat16


def test_inputs_of_another_type_fail_as_before():
    layer = nn.Linear(16, 16)
    with torch.no_grad(), prepacked(MIN_STEPS, nn.Sequential(layer)), pytest.raises(RuntimeError):
        layer(torch.randn(2, 16).double())


def test_layers_are_as_they_were_afterwards():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    before = packed(model)
    with pytest.raises(ZeroDivisionError), prepacked(MIN_STEPS, model):
        assert len(packed(model)) == 2 * can_prepack(nn.Linear(8, 8))
        raise ZeroDivisionError
    assert packed(model) == before == []


def test_few_steps_and_unsuitable_layers_are_left_alone(monkeypatch):
    class Own(nn.Linear):
        pass

    model = nn.Sequential(Own(8, 8), nn.Linear(8, 8).double(), nn.Linear(8, 8, device="meta"))
    with prepacked(MIN_STEPS, model):
        assert packed(model) == []
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 64))
    with prepacked(MIN_STEPS - 1, model):
        assert packed(model) == []
    monkeypatch.setattr(module, "MAX_BYTES", 8 * 8 * 4 + 10)
    with prepacked(MIN_STEPS, model):
        assert packed(model) == ["0"] * can_prepack(nn.Linear(8, 8))


def test_decoding_packs_and_texts_stay_the_same(language, monkeypatch):
    model = copy.deepcopy(language("llama")).bfloat16()
    if not can_prepack(model.model.get_output_embeddings()):
        pytest.skip("this machine packs no bf16 weights")
    embeddings, _ = rows(model, torch.bfloat16)
    sizes, read = [], model.read
    monkeypatch.setattr(
        model, "read", lambda *inputs: sizes.append(len(packed(model.model))) or read(*inputs)
    )

    def texts():
        found = greedy(model, embeddings, LENGTHS, 10, lambda ids: False, ())
        return found, beam_search(model, embeddings, LENGTHS, 10, BeamOptions(3), {5})

    ours = texts()
    monkeypatch.setattr(module, "MIN_STEPS", 11)
    assert ours == texts()
    assert sizes == [15, 15, 0, 0]  # seven products in each of two layers, and the head


def test_threads_may_decode_with_one_model(language):
    """Weights stay packed until the last of them is done, and are dropped then."""
    model = language("llama")
    if not can_prepack(model.model.get_output_embeddings()):
        pytest.skip("this machine packs no weights")
    embeddings, _ = rows(model)
    run = lambda _: greedy(model, embeddings, LENGTHS, 10, lambda ids: False, ())
    expected = run(0)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(12))) == [expected] * 12
    with prepacked(10, model.model):
        names = packed(model.model)
        with prepacked(10, model.model):
            pass
        assert packed(model.model) == names
    assert names and not packed(model.model)
