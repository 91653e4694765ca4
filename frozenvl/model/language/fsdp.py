"""FSDP for a frozen language model: ranks share its layers, and gather each layer when they run it."""

from __future__ import annotations

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.util.errors import UserError


class ShardedLayers:
    """Shards the frozen weights of each layer among ranks. Trained weights stay whole on every rank, for DDP.

    Embeddings and head stay whole, because they are also used outside a forward pass of the model.

    Args:
        language: language model with weights in their final precision. Its layers are changed in place.
        device: device of this rank. The process group must exist.

    Raises:
        UserError: if no layer has a frozen weight.
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
        """Gathers all layers on every rank; all ranks must call it. Then ranks can run the model independently."""
        for layer in self.layers:
            layer.set_reshard_after_forward(False)
            layer.unshard()

    def release(self) -> None:
        """Shards the layers again after `gather`."""
        for layer in self.layers:
            layer.set_reshard_after_forward(True)
            layer.reshard()
