"""The transformer from states of a text to latents."""

import torch

from frozenvl.model.heads.latent_transformer import LatentTransformer


def made(codes: bool) -> LatentTransformer:
    torch.manual_seed(0)
    return LatentTransformer(12, tokens=5, out=7, codes=codes, dim=8, layers=1, heads=2, dropout=0.0).eval()


def test_all_latents_come_from_one_pass():
    states = torch.randn(3, 2, 12)
    found = made(False)(states)
    assert found.shape == (3, 5, 7)
    torch.testing.assert_close(found[1:2], made(False)(states[1:2]))
    assert (found[0] - found[1]).abs().max() > 1e-3 and (found[0, 0] - found[0, 1]).abs().max() > 1e-3


def test_a_code_sees_the_codes_before_it_and_no_other():
    model, states = made(True), torch.randn(2, 3, 12)
    codes = torch.randint(7, (2, 5), generator=torch.Generator().manual_seed(1))
    found = model(states, codes)
    changed = codes.clone()
    changed[:, 2] = (changed[:, 2] + 1) % 7
    other = model(states, changed)
    torch.testing.assert_close(found[:, :3], other[:, :3])
    assert (found[:, 3:] - other[:, 3:]).abs().amax((1, 2)).min() > 1e-4


def test_drawn_codes_have_the_logits_of_training():
    model, states, logits = made(True), torch.randn(2, 3, 12), []

    def choose(position: int, row: torch.Tensor) -> torch.Tensor:
        logits.append(row)
        return row.argmax(-1)

    codes = model.drawn(states, choose)
    again = model(states, codes)
    torch.testing.assert_close(torch.stack(logits, 1), again)
    assert torch.equal(codes, again.argmax(-1))
