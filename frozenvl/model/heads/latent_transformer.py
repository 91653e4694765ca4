"""`LatentTransformer`: a small transformer from a few states of a text to the latents of an image (GILL, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class LatentTransformer(nn.Module):
    """Encoder–decoder transformer from states (N, r, width) to an output (N, tokens, out) for each latent of an image.

    With `codes` the decoder is autoregressive: each position sees the codes before it, and the output are logits of its
    own. Otherwise each position has a learned query, and all outputs come from one pass.

    Args:
        width: dimension of the states.
        tokens: number of latents of an image.
        out: channels of a latent, or number of codes.
        codes: whether latents are codes.
        dim: dimension of the transformer.
        layers: number of encoder layers, and of decoder layers.
        heads: number of attention heads.
        dropout: dropout rate.
    """

    def __init__(
        self,
        width: int,
        tokens: int,
        out: int,
        codes: bool,
        dim: int,
        layers: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.read = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim))
        shape: Any = (
            dim,
            heads,
            4 * dim,
            dropout,
            nn.functional.gelu,
            1e-5,
            True,
            True,
        )  # batch first, norm first
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(*shape), layers, nn.LayerNorm(dim), enable_nested_tensor=False
        )
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(*shape), layers, nn.LayerNorm(dim))
        for weight in self.parameters():  # torch copies one layer, so all would start alike
            if weight.dim() > 1:
                nn.init.xavier_uniform_(weight)
        self.queries = nn.Parameter(0.02 * torch.randn(tokens, dim))
        self.codes = nn.Embedding(out, dim) if codes else None
        self.out = nn.Linear(dim, out)

    def forward(self, states: Tensor, codes: Tensor | None = None) -> Tensor:
        """Returns the outputs (N, tokens, out).

        Args:
            states: (N, r, width) states of each text.
            codes: (N, tokens) codes of each image, if latents are codes: position i sees those before i.
        """
        return self._decoded(self._memory(states), len(states), codes)

    def _memory(self, states: Tensor) -> Tensor:
        return self.encoder(self.read(states))

    def _decoded(self, memory: Tensor, rows: int, codes: Tensor | None, first: int | None = None) -> Tensor:
        """Returns the outputs of the first positions (all by default)."""
        first = self.tokens if first is None else first
        target, mask = self.queries[:first].expand(rows, -1, -1), None
        if self.codes is not None:
            assert codes is not None
            before = nn.functional.pad(self.codes(codes[:, : first - 1]), (0, 0, 1, 0))
            target = target + before
            mask = nn.Transformer.generate_square_subsequent_mask(
                first, device=memory.device, dtype=memory.dtype
            )
        return self.out(self.decoder(target, memory, tgt_mask=mask, tgt_is_causal=mask is not None))

    def drawn(self, states: Tensor, choose: Callable[[int, Tensor], Tensor]) -> Tensor:
        """Returns codes (N, tokens), one position after another.

        Args:
            states: (N, r, width) states of each text.
            choose: function from a position and its logits (N, codes) to codes (N,).
        """
        memory = self._memory(states)
        codes = torch.zeros(len(states), self.tokens, dtype=torch.long, device=states.device)
        for position in range(self.tokens):
            logits = self._decoded(memory, len(states), codes, position + 1)[:, -1]
            codes[:, position] = choose(position, logits.float())
        return codes
