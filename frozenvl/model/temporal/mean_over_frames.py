"""Mean over frames: a video as one image."""

from __future__ import annotations

from torch import Tensor

from frozenvl.model.mappers import Mapper
from frozenvl.model.temporal.temporal import Temporal
from frozenvl.model.views import Views


class MeanOverFrames(Temporal):
    """Averages the vectors of a video's frames. A video takes k positions, and the order of its frames is lost."""

    @property
    def views(self) -> Views:
        return Views(joint=True)

    def forward(self, mapper: Mapper, features: Tensor, views: Tensor, numbers: Tensor) -> Tensor:
        vectors = mapper(features)
        shares = (views >= 0).to(vectors.dtype)
        shares = shares / shares.sum(1, keepdim=True)
        return (vectors[views.clamp(min=0)] * shares[..., None, None]).sum(1)
