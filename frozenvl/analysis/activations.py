"""Feature activations of the encoder: where its vectors are long, and where its channels vary most."""

from __future__ import annotations

import torch

from frozenvl.analysis.method import Maps, Method, Progress, silent
from frozenvl.analysis.places import places_at
from frozenvl.analysis.target import TargetFunction
from frozenvl.util.errors import UserError


class Activations(Method):
    """Length of the encoder's feature vector at each cell, and the activations of some channels.

    They depend on the image alone, not on a text. The channels are those that vary most over the image (standard
    deviation over its cells).

    Args:
        channels: number of channels.
    """

    name = "activations"

    def __init__(self, channels: int = 4) -> None:
        if channels < 0:
            raise UserError(f"channels is {channels}; it is 0 or more")
        self.channels = channels

    def maps(self, function: TargetFunction, progress: Progress = silent) -> Maps:
        places = places_at(function, "cell")
        features = function.at("cell")[0].detach().float().cpu()[places.cell_of >= 0]
        varies = features.std(0)
        strongest = varies.topk(min(self.channels, len(varies))).indices
        values = torch.cat([features.norm(dim=1)[None], features[:, strongest].T])
        progress(1, 1)
        return Maps(
            values=values.unflatten(1, (places.side, places.side)),
            names=("length", *(f"channel {number}" for number in strongest.tolist())),
            method=self.name,
            settings={"channels": self.channels},
            unit="activation",
            facts={"standard deviation of the channels": varies[strongest].tolist()},
        )
