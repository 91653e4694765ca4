"""Counts operations and memory of a training step by running its own code on fake tensors (without content).

There are no formulas per model: whatever the model's classes do is counted as it happens.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor, FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from frozenvl.model.batch import Batch
from frozenvl.model.frozen import FrozenVL
from frozenvl.objectives.step import loss_of_step
from frozenvl.util.errors import UserError

NEEDS_CONTENT = DataDependentOutputException, DynamicOutputShapeException
CPU = torch.device("cpu")
INDEXED = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
}


class Step(NamedTuple):
    """Cost of the forward and backward pass of a micro-batch on one device."""

    operations: float
    """Operations of all matrix products; a multiply-add counts as two."""
    working: int
    """Peak bytes of activations and temporaries (all but weights, gradients and optimiser state)."""
    seconds: float = 0.0
    """Seconds of both passes; 0 if unknown."""


class Counting(TorchDispatchMode):
    """Mode that counts operations of matrix products, and current (`held`) and peak (`most`) bytes of fake tensors.

    Real tensors are computed as usual, because positions, slots and labels determine shapes.

    Args:
        known: tensors whose memory is not counted.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.operations = 0.0
        self.held = self.most = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not any(isinstance(leaf, FakeTensor) for leaf in tree_leaves((args, kwargs))):
            with _disable_current_modes():
                return function(*args, **kwargs)
        if function is torch.ops.aten._local_scalar_dense.default:
            return False if args[0].dtype == torch.bool else 0.0  # skips rare branches; losses are 0
        if function in INDEXED:
            with _disable_current_modes():
                indices = [place for index in args[1] for place in places(index)]
            args = (args[0], indices, *args[2:])
        out = function(*args, **kwargs)
        if count := flop_registry.get(function._overloadpacket):
            self.operations += count(*args, **kwargs, out_val=out)
        for leaf in tree_leaves(out):
            if isinstance(leaf, FakeTensor):
                self._see(leaf.untyped_storage())
        return out

    def _see(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self.held += size
            self.most = max(self.most, self.held)
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.held -= size


def places(index: Tensor | None) -> list[Tensor | None]:
    """Converts a boolean index to integer indices, so that the result of indexing a fake tensor has a known shape."""
    if index is None or index.dtype != torch.bool or isinstance(index, FakeTensor):
        return [index]
    return list(index.nonzero(as_tuple=True))


def without_content(model: nn.Module) -> FakeTensorMode:
    """Replaces the meta tensors of a model, in place, by fake CPU tensors; returns the mode of these."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    fakes: dict[int, Tensor] = {}
    tables: list[dict[str, Any]] = [module._parameters for module in model.modules()]
    tables += [module._buffers for module in model.modules()]
    for tensors in tables:
        for name, tensor in tensors.items():
            if tensor is not None and tensor.is_meta:
                fake: Tensor = FakeTensor(mode, tensor.detach(), CPU)
                if isinstance(tensor, nn.Parameter):
                    fake = nn.Parameter(fake, tensor.requires_grad)
                tensors[name] = fakes.setdefault(id(tensor), fake)  # tied weights stay tied
    return mode


class Outline:
    """Model without weights whose training steps are counted.

    Args:
        model: model on the meta device; its weights are replaced in place.
    """

    def __init__(self, model: FrozenVL) -> None:
        self.model, self.mode = model.train(), without_content(model)
        self.trained = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def step(self, batch: Batch) -> Step:
        """Counts the forward and backward pass of a micro-batch.

        Args:
            batch: micro-batch with images on the meta device; all other tensors are real.

        Raises:
            UserError: if an objective depends on the content of tensors.
        """
        with self.mode:
            images: Tensor = FakeTensor(self.mode, batch.images, CPU)
        objectives: dict[str, Any] = dict(self.model.objectives.items())
        with self.mode, Counting([*self.model.parameters(), *self.model.buffers(), images]) as counting:
            # Drop gradients at once: they are counted separately.
            drop = lambda weight: setattr(weight, "grad", None)
            hooks = [weight.register_post_accumulate_grad_hook(drop) for weight in self.trained]
            try:
                loss_of_step(objectives, self.model, replace(batch, images=images)).value.backward()
            except NEEDS_CONTENT as error:
                raise UserError(
                    f"model.objectives ({', '.join(objectives)}) cannot be planned: one reads the content of tensors "
                    f"({' '.join(str(error).split())[:200]}); plan without it"
                ) from error
            for hook in hooks:
                hook.remove()
        return Step(counting.operations, counting.most)

    def state(self, make_optimizer: Callable[[Any], torch.optim.Optimizer]) -> int:
        """Returns the bytes of optimiser state after the first step."""
        with self.mode, Counting():
            optimizer = make_optimizer(self.trained)
            for weight in self.trained:
                weight.grad = torch.zeros_like(weight)
            optimizer.step()
            optimizer.zero_grad()
            return size(leaf for leaf in tree_leaves(dict(optimizer.state)) if isinstance(leaf, Tensor))


def size(tensors: Iterable[Tensor]) -> int:
    """Returns the total bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
