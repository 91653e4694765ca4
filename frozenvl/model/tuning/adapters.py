"""Adapters: bottleneck layers after the feed-forward parts."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.tuning.tuning import Tuning, at_least_one
from frozenvl.util.errors import UserError


class Adapters(Tuning):
    """Adapters: a residual bottleneck after each layer's feed-forward part (MAGMA).

    Args:
        reduction: dimension of the model ÷ width of the bottleneck.
    """

    NAMES = ("mlp", "ffn", "feed_forward", "block_sparse_moe")
    """Names of the feed-forward part in transformers' layers."""

    def __init__(self, reduction: int = 4) -> None:
        super().__init__()
        self.reduction = at_least_one("reduction", reduction)
        self.adapters = nn.ModuleList()

    def attach(self, language: FrozenLanguageModel) -> None:
        for layer in language.layers:
            part = next((getattr(layer, name) for name in self.NAMES if hasattr(layer, name)), None)
            if part is None:
                raise UserError(
                    f"adapters on {language.name}: its layers have no feed-forward part "
                    f"({', '.join(self.NAMES)}); use LoRA"
                )
            adapter = Bottleneck(language.dim, max(1, language.dim // self.reduction))
            self.adapters.append(adapter)
            part.register_forward_hook(adapter.after)


class Bottleneck(nn.Module):
    """Residual bottleneck: x + up(gelu(down(x))). It starts as the identity."""

    def __init__(self, dim: int, narrow: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(dim, narrow), nn.Linear(narrow, dim)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(self.down.weight.dtype)
        return x + self.up(nn.functional.gelu(self.down(wide))).to(x.dtype)

    def after(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """Applies the bottleneck, as a forward hook; of a tuple (mixture of experts), to the first item."""
        if isinstance(output, tuple):
            return self(output[0]), *output[1:]
        return self(output)
