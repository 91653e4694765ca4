"""Cache of text representations: what a frozen language model gives for each text, computed once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from frozenvl.model.heads.head import Head
from frozenvl.model.vision.feature_cache import FeatureCache
from frozenvl.pretrained.zoo import home

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL
    from frozenvl.model.processor import Processor


@dataclass(frozen=True)
class Text:
    """A text with the digest by which a cache finds it."""

    text: str

    @cached_property
    def digest(self) -> str:
        """Hex hash of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]

    @property
    def origin(self) -> Text:
        """The text itself: no file whose digest could be remembered."""
        return self


class CachedTexts:
    """Representations of texts from a cache.

    Args:
        cache: cache that holds them.
    """

    def __init__(self, cache: FeatureCache) -> None:
        self.cache = cache

    def __call__(self, texts: Sequence[str]) -> Tensor | None:
        """Returns the representations (n, vectors, dim); None if one of them is missing."""
        digests = [Text(text).digest for text in texts]
        if not all(digest in self.cache for digest in digests):
            return None
        return torch.stack([self.cache.row(digest) for digest in digests])


def cached_texts(
    model: FrozenVL, head: Head, processor: Processor, texts: Iterable[str], **ranks: Any
) -> CachedTexts | None:
    """Fills a cache with the representations of texts, a share per rank; None if the head has none to cache.

    Args:
        model: model of the head.
        head: head that reads texts.
        processor: processor of the model.
        texts: all texts of a run, as they are given to the head.
        ranks: `rank`, `world_size`, `barrier` and `progress` of `FeatureCache.fill`.
    """
    states = head.states(model)
    if states is None:
        return None
    language = model.language
    device = next(language.parameters()).device
    precision = "bf16" if model.low_precision else "fp32"
    identity = f"{language.fingerprint} {precision} start={processor.start} {states.key}"
    cache = FeatureCache(identity, states.shape, torch.float32, home() / "texts")
    read: Callable[[Sequence[Any]], Any] = lambda items: processor([(item.text,) for item in items])
    encode = torch.no_grad()(lambda batch: head.states_of(model.run(batch.to(device))))
    # The cache is told by the text as a batch holds it, wording included.
    wanted: Any = (Text(head.prompts.text.replace("{text}", text)) for text in texts)
    cache.fill(wanted, read, encode, **ranks)  # type: ignore[arg-type]
    return CachedTexts(cache)
