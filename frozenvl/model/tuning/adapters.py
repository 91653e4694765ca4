"""Adapters: bottlenecks behind the feed-forward parts."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.tuning.tuning import Tuning, at_least_one
from frozenvl.util.errors import UserError


class Adapters(Tuning):
    """A bottleneck after each layer's feed-forward part, added to what comes out of it (MAGMA).

    Args:
        reduction: width of the model over that of the bottleneck.
    """

    NAMES = ("mlp", "ffn", "feed_forward", "block_sparse_moe")

    def __init__(self, reduction: int = 4) -> None:
        super().__init__()
        self.reduction = at_least_one("reduction", reduction)
        self.adapters = nn.ModuleList()

    def attach(self, language: FrozenLanguageModel) -> None:
        for layer in language.layers:
            part = next((getattr(layer, name) for name in self.NAMES if hasattr(layer, name)), None)
            if part is None:
                raise UserError(
                    f"adapters on {language.name}: its layers have no part of their own to feed forward "
                    f"({', '.join(self.NAMES)}); use LoRA"
                )
            adapter = Bottleneck(language.dim, max(1, language.dim // self.reduction))
            self.adapters.append(adapter)
            part.register_forward_hook(adapter.after)


class Bottleneck(nn.Module):
    """x + up(gelu(down(x))), at first x."""

    def __init__(self, dim: int, narrow: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(dim, narrow), nn.Linear(narrow, dim)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(self.down.weight.dtype)
        return x + self.up(nn.functional.gelu(self.down(wide))).to(x.dtype)

    def after(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """Forward hook on the feed-forward part. A mixture of experts returns a tuple; its first item is changed."""
        if isinstance(output, tuple):
            return self(output[0]), *output[1:]
        return self(output)
