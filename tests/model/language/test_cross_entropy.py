import pytest
import torch

from frozenvl.model.language import cross_entropy
from frozenvl.model.language.cross_entropy import target_nll


@pytest.mark.parametrize("n", [1, 7, 300])
@pytest.mark.parametrize("bias, smoothing", [(False, 0.0), (True, 0.0), (True, 0.1), (False, 0.9)])
@pytest.mark.parametrize("trained", [False, True])
def test_loss_and_gradient_equal_those_of_torch(n, bias, smoothing, trained):
    torch.manual_seed(0)
    head = torch.nn.Linear(16, 50, bias=bias, dtype=torch.float64).requires_grad_(False)
    hidden = torch.randn(n, 16, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(50, (n,))
    upstream = torch.randn(n, dtype=torch.float64)  # not 1, and different for each row

    ours = target_nll(hidden, labels, head, trained, smoothing)
    (ours_grad,) = torch.autograd.grad((ours * upstream).sum(), hidden)
    theirs = torch.nn.functional.cross_entropy(
        head(hidden), labels, reduction="none", label_smoothing=smoothing
    )
    (theirs_grad,) = torch.autograd.grad((theirs * upstream).sum(), hidden)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours_grad, theirs_grad, rtol=1e-12, atol=1e-12)


def test_no_rows_have_no_losses():
    hidden = torch.randn(0, 16, requires_grad=True)
    nll = target_nll(hidden, torch.zeros(0, dtype=torch.long), torch.nn.Linear(16, 5), smoothing=0.1)
    assert nll.shape == (0,) and torch.autograd.grad(nll.sum(), hidden)[0].shape == (0, 16)


def test_logits_are_computed_for_a_few_rows_at_a_time():
    head = torch.nn.Linear(16, 50, dtype=torch.bfloat16).requires_grad_(False)
    seen = []
    hidden = torch.randn(300, 16, dtype=torch.bfloat16)
    nll = target_nll(
        hidden, torch.zeros(300, dtype=torch.long), lambda rows: (seen.append(len(rows)), head(rows))[1]
    )
    assert sum(seen) == 300 and max(seen) == cross_entropy.ROWS
    assert nll.dtype == torch.float32


def test_no_gradient_is_computed_under_no_grad():
    head = torch.nn.Linear(4, 5)
    with torch.no_grad():
        assert not target_nll(torch.randn(3, 4), torch.zeros(3, dtype=torch.long), head).requires_grad


def test_the_loss_is_exact_for_a_label_with_probability_0():
    logits = torch.tensor([[0.0, 200.0, -150.0], [1.0, 2.0, 3.0]])
    hidden = logits.clone().requires_grad_()
    nll = target_nll(hidden, torch.tensor([2, 2]), lambda rows: rows)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([2, 2]), reduction="none")
    assert nll[0] == expected[0] == 350
    torch.testing.assert_close(nll, expected)
    (grad,) = torch.autograd.grad(nll.sum(), hidden)
    torch.testing.assert_close(grad[0], torch.tensor([0.0, 1.0, -1.0]))
