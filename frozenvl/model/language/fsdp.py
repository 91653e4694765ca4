"""A frozen language model's layers shared out among ranks (FSDP), each fetched where it is needed."""

from __future__ import annotations

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.util.errors import UserError


class ShardedLayers:
    """Shares out what is frozen of each layer; what is trained of it stays whole on every rank, for DDP.

    Embeddings and head stay whole: the head meets target positions only, and by its weight.

    Args:
        language: whose weights have their final precision. Its layers are changed.
        device: of this rank. A process group exists.

    Raises:
        UserError: where no layer has a frozen weight.
    """

    def __init__(self, language: FrozenLanguageModel, device: torch.device) -> None:
        if not any(not weight.requires_grad for weight in language.layers.parameters()):
            raise UserError(
                "model.shard shares out frozen layers, but here all of them are trained; leave it out"
            )
        mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
        self.layers = [
            fully_shard(
                layer,
                mesh=mesh,
                ignored_params={weight for weight in layer.parameters() if weight.requires_grad},
            )
            for layer in language.layers
        ]

    def gather(self) -> None:
        """Every rank holds all layers; all ranks call it. Then they may go through them each at its own pace."""
        for layer in self.layers:
            layer.set_reshard_after_forward(False)
            layer.unshard()

    def release(self) -> None:
        """Every rank holds its share again."""
        for layer in self.layers:
            layer.set_reshard_after_forward(True)
            layer.reshard()
