"""Frame transformer: self-attention over the vectors of all frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from frozenvl.model.mappers import Mapper
from frozenvl.model.mappers.mapper import check_heads
from frozenvl.model.temporal.temporal import Temporal, check_frames, for_videos
from frozenvl.model.views import Views


class FrameTransformer(Temporal):
    """Transformer encoder over the mapper's vectors of all frames and k learned queries, which become the video's.

    A video takes k positions, as an image. Any mapper will do: with `PatchLinear`, a frame's vectors are its cells.

    Each vector loses its mean over the frames and is normed, so that what moves is as large as what stays. The means
    are inputs, too. Without the centring, training takes far longer to find a small object that moves.

    Args:
        frames: largest number of frames of a video.
        layers: number of layers.
        heads: number of attention heads.
        ratio: width of the feed-forward part ÷ dimension of the embeddings.

    Raises:
        UserError: if `heads` does not divide the dimension of the embeddings.
    """

    undecayed = ("embedding", "queries")

    def __init__(self, frames: int = 8, layers: int = 2, heads: int = 8, ratio: float = 2.0) -> None:
        super().__init__()
        self.frames = check_frames(frames)
        self.layers, self.heads, self.ratio = layers, heads, ratio

    @property
    def views(self) -> Views:
        return Views(joint=True, max_frames=self.frames)

    def attach(self, mapper: Mapper) -> None:
        dim = mapper.dim
        check_heads(dim, self.heads)
        self.norm = nn.LayerNorm(dim)
        # The last one is of the means. Small numbers would leave the order of frames unused for hundreds of steps.
        self.embedding = nn.Parameter(torch.randn(self.frames + 1, dim) * 0.5)
        self.queries = nn.Parameter(torch.randn(mapper.k, dim) * 0.02)
        layer = nn.TransformerEncoderLayer(
            dim,
            self.heads,
            int(dim * self.ratio),
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, self.layers, enable_nested_tensor=False)

    def forward(self, mapper: Mapper, features: Tensor, views: Tensor, numbers: Tensor) -> Tensor:
        vectors = mapper(features)
        return for_videos(numbers, self._of_videos(mapper, vectors, views, numbers), vectors[views[:, 0]])

    def _of_videos(self, mapper: Mapper, vectors: Tensor, views: Tensor, numbers: Tensor) -> Tensor:
        is_frame = views >= 0
        frames = vectors[views.clamp(min=0)] * is_frame[..., None, None]
        means = frames.sum(1, keepdim=True) / is_frame.sum(1)[:, None, None, None]
        read = self.norm(torch.cat([frames - means, means], dim=1))
        numbers = torch.cat([numbers.clamp(min=0), numbers.new_full((len(numbers), 1), self.frames)], dim=1)
        read = (read + self.embedding[numbers][:, :, None]).flatten(1, 2)
        inputs = torch.cat([read, self.queries.to(read.dtype).expand(len(views), -1, -1)], dim=1)
        k = vectors.shape[1]
        missing = torch.cat([~is_frame, is_frame.new_zeros(len(views), 2)], dim=1).repeat_interleave(k, dim=1)
        return mapper.last(self.encoder(inputs, src_key_padding_mask=missing)[:, -k:])
