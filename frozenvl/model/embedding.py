"""`Embeds`: embeddings of prompts, texts and images by a `FrozenVL`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.model.heads import EmbeddingHead
from frozenvl.model.heads.head import named
from frozenvl.model.processor import Processor
from frozenvl.prompt import Image, Prompt


class Embeds:
    """Mixin of `FrozenVL` with the methods that embed prompts, texts and images."""

    def head(self: Any, name: str | None = None) -> EmbeddingHead:
        """Returns the embedding head of a name, or the only one.

        Raises:
            UserError: if there is none of the name, none at all, or a name is needed.
        """
        return named(self.heads, EmbeddingHead, "embedding head", name, "as configs/retrieval.yaml does")

    @torch.no_grad()
    def embed(self: Any, batch: Batch) -> Tensor:
        """Returns the last hidden state (B, dim) at the last position of each prompt, in fp32.

        E5-V embeds images and texts in this way.
        """
        run = self.run(batch)
        vectors = torch.zeros(len(batch), self.language.dim, device=batch.lengths.device)
        for chunk, hidden in run.hidden():
            vectors[chunk.index] = hidden[chunk.lengths.cumsum(0) - 1].float()
        return vectors

    @torch.no_grad()
    def embed_texts(
        self: Any,
        processor: Processor,
        texts: Sequence[str],
        head: str | None = None,
        batch_size: int = 64,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Tensor:
        """Returns the embeddings (n, dim) of texts by an embedding head: fp32, of length 1, on the CPU.

        Args:
            processor: this model's processor.
            texts: texts to embed.
            head: name of the embedding head; by default the only one.
            batch_size: number of texts per pass.
            progress: function called with the number of texts done and their total.
        """
        made = self.head(head)
        if isinstance(texts, str):
            raise TypeError("texts is one text; give a list of texts")
        word, read = made.prompts.of_text, made.embed_texts
        rows = in_batches(self, texts, word, read, processor, batch_size, progress)
        return torch.cat([torch.zeros(0, made.dim), *rows])

    @torch.no_grad()
    def embed_images(
        self: Any,
        processor: Processor,
        images: Sequence[Image],
        head: str | None = None,
        batch_size: int = 64,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Tensor:
        """Returns the embeddings (n, dim) of images by an embedding head: fp32, of length 1, on the CPU.

        Args:
            processor: this model's processor, without a prefix cache.
            images: images to embed.
            head: name of the embedding head; by default the only one.
            batch_size: number of images per pass.
            progress: function called with the number of images done and their total.

        Raises:
            UnreadableImage: if an image cannot be read; its `image` names it.
        """
        made = self.head(head)
        word, read = made.prompts.of_image, made.embed_images
        rows = in_batches(self, images, word, read, processor, batch_size, progress)
        return torch.cat([torch.zeros(0, made.dim), *rows])


def in_batches(
    model: Any,
    items: Sequence[Any],
    word: Callable[[Any], Prompt],
    read: Callable[[Forward], Tensor],
    processor: Processor,
    batch_size: int,
    progress: Callable[[int, int], None],
) -> list[Tensor]:
    """Runs a model on one prompt for each item, batch by batch; returns what is read of each batch, on the CPU.

    Args:
        model: model to run.
        items: texts, images or pairs.
        word: function from an item to its prompt.
        read: function from a pass to a tensor with a row for each prompt.
        processor: processor of the model.
        batch_size: number of prompts per pass.
        progress: function called with the number of items done and their total.
    """
    parts = []
    for start in range(0, len(items), batch_size):
        prompts = [word(item) for item in items[start : start + batch_size]]
        run = model.run(processor(prompts).to(model.device))
        parts.append(read(run).cpu())
        run.check_features()
        progress(start + len(prompts), len(items))
    return parts
