"""What a training step computes and holds, found by running its own code on tensors that have no content.

Nothing about a model is written down here a second time: whatever its classes do is counted as they do it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
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
from frozenvl.objectives.objective import count_rows, micro_loss
from frozenvl.util.errors import UserError

NEEDS_CONTENT = DataDependentOutputException, DynamicOutputShapeException
CPU = torch.device("cpu")
INDEXED = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
}


class Step(NamedTuple):
    """What a step on one device takes: a pass through the model and back for a micro-batch."""

    operations: float
    """Of all products: two for each multiplication with its addition."""
    working: int
    """Bytes: the most that is held at a time beside weights, their gradients and what the optimiser keeps."""


class RealNumbers(TorchDispatchMode):
    """Runs on tensors with content whatever needs no other: positions, slots and labels decide shapes."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not any(isinstance(leaf, FakeTensor) for leaf in tree_leaves((args, kwargs))):
            with _disable_current_modes():
                return function(*args, **kwargs)
        if function is torch.ops.aten._local_scalar_dense.default:
            return False if args[0].dtype == torch.bool else 0.0  # no rare case, no loss
        if function in INDEXED:
            with _disable_current_modes():
                where = [place for index in args[1] for place in places(index)]
            args = (args[0], where, *args[2:])
        return function(*args, **kwargs)


def places(index: Tensor | None) -> list[Tensor | None]:
    """An index by truth as one by place, whose shape is known where the tensors that it picks from have no content."""
    if index is None or index.dtype != torch.bool or isinstance(index, FakeTensor):
        return [index]
    return list(index.nonzero(as_tuple=True))


class Counting(TorchDispatchMode):
    """Counts the operations of products, and the bytes that are held."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0.0
        self.held = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        if count := flop_registry.get(function._overloadpacket):
            self.operations += count(*args, **(kwargs or {}), out_val=out)
        for leaf in tree_leaves(out):
            if isinstance(leaf, FakeTensor):
                self._see(leaf.untyped_storage())
        return out

    def known(self, tensor: Tensor) -> None:
        """A tensor that was there before, and does not count."""
        self._known.add(tensor.untyped_storage()._cdata)

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


def without_content(model: nn.Module) -> FakeTensorMode:
    """Has the weights of a model that was made on the meta device pass for a CPU's.

    Returns:
        the mode that they live in.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    made: dict[int, Tensor] = {}
    for module in model.modules():
        tables: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for tensors in tables:
            for name, tensor in tensors.items():
                if tensor is None or not tensor.is_meta:
                    continue
                if id(tensor) not in made:  # a weight that is tied stays one
                    fake: Tensor = FakeTensor(mode, tensor.detach(), CPU)
                    trained = tensor.requires_grad
                    made[id(tensor)] = (
                        nn.Parameter(fake, trained) if isinstance(tensor, nn.Parameter) else fake
                    )
                tensors[name] = made[id(tensor)]
    return mode


@contextmanager
def counted(mode: FakeTensorMode) -> Iterator[Counting]:
    with ExitStack() as stack:
        stack.enter_context(mode)
        counting = stack.enter_context(Counting())
        stack.enter_context(RealNumbers())
        yield counting


class Outline:
    """A model without weights, and what its steps take.

    Args:
        model: made on the meta device.
    """

    def __init__(self, model: FrozenVL) -> None:
        self.model, self.mode = model.train(), without_content(model)
        self.trained = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def step(self, batch: Batch) -> Step:
        """A pass through the model and back.

        Args:
            batch: with images on the meta device, and all else as it is.
        """
        with self.mode:
            images: Tensor = FakeTensor(self.mode, batch.images, CPU)
        with counted(self.mode) as counting:
            for tensor in (*self.model.parameters(), *self.model.buffers(), images):
                counting.known(tensor)
            # Gradients go as they come: they are counted apart.
            hooks = [weight.register_post_accumulate_grad_hook(_drop_gradient) for weight in self.trained]
            self._loss(replace(batch, images=images)).backward()
            for hook in hooks:
                hook.remove()
        return Step(counting.operations, counting.most)

    def _loss(self, batch: Batch) -> Tensor:
        objectives: dict[str, Any] = dict(self.model.objectives.items())
        try:
            return micro_loss(objectives, self.model.run(batch), count_rows(objectives, [batch])).value
        except NEEDS_CONTENT as error:
            raise UserError(
                f"model.objectives ({', '.join(objectives)}) cannot be planned: one reads the content of tensors "
                f"({' '.join(str(error).split())[:200]}); plan without it"
            ) from error

    def state(self, make_optimizer: Callable[[Any], torch.optim.Optimizer]) -> int:
        """Bytes that an optimiser keeps after its first step."""
        with counted(self.mode):
            optimizer = make_optimizer(self.trained)
            for weight in self.trained:
                weight.grad = torch.zeros_like(weight)
            optimizer.step()
            optimizer.zero_grad()
            return size(leaf for leaf in tree_leaves(dict(optimizer.state)) if isinstance(leaf, Tensor))


def _drop_gradient(weight: Tensor) -> None:
    weight.grad = None


def size(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
