"""`FrozenVL`: a frozen language model with a visual prefix, for training, generation, scoring and embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.model.batch import IGNORE, Batch, Stage
from frozenvl.model.drawing import Draws
from frozenvl.model.embedding import Embeds
from frozenvl.model.forward import Forward
from frozenvl.model.fusion import Concat, Fusion
from frozenvl.model.generation import Generates
from frozenvl.model.heads import Head
from frozenvl.model.hub import OnHub
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioning import Conditioner, Conditioning
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.mappers import Mapper
from frozenvl.model.matching import Matches
from frozenvl.model.part import Part
from frozenvl.model.processor import ImageReader, Processor
from frozenvl.model.temporal import Temporal
from frozenvl.model.tokenizing import last_text
from frozenvl.model.tuning import Tuning
from frozenvl.model.views import Views
from frozenvl.model.vision import VisionEncoder
from frozenvl.model.vision.fixed_batches import in_fixed_batches
from frozenvl.prompt import Prompt
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


class FrozenVL(nn.Module, Generates, Embeds, Matches, Draws, OnHub):
    """A vision-language model: vision encoder → mapper → fusion → frozen language model (Frozen, section 3).

    Args:
        language: frozen language model.
        vision: image encoder, frozen or trainable.
        mapper: factory of the mapper, called with (channels, tokens, dim, k).
        k: number of prefix vectors per image.
        tuning: tuning of the language model (LoRA, prompt tuning, …); None by default.
        bos: whether to begin prompts with the BOS token if the tokeniser does not add it itself. The model uses the
            first position as an attention sink: an image there gets gradients hundreds of times too large from some
            samples.
        fusion: combination of image vectors and text; by default `Concat` places the vectors among the text.
        objectives: training objectives by name; their weights are trained and saved with the model's.
        heads: heads by name, for retrieval, naming and matching; none by default.
        temporal: how the frames of a video become prefix vectors; by default frames are images in a row.
    """

    def __init__(
        self,
        language: FrozenLanguageModel,
        vision: VisionEncoder,
        mapper: Callable[[int, int, int, int], Mapper],
        k: int,
        tuning: Tuning | None = None,
        bos: bool = False,
        fusion: Fusion | None = None,
        objectives: Mapping[str, Any] | None = None,
        heads: Mapping[str, Head] | None = None,
        temporal: Temporal | None = None,
    ) -> None:
        super().__init__()
        if k < 1:
            raise UserError(f"k is {k}; an image needs at least one prefix vector")
        self.k, self.bos = k, bos
        self.language = language
        self.vision = vision
        self.mapper = mapper(vision.channels, vision.tokens, language.dim, k)
        self.mapper.start_like(language.some_embeddings())
        self.tuning = tuning
        if tuning is not None:
            tuning.attach(language)
        self.temporal = temporal
        if temporal is not None:
            temporal.attach(self.mapper)
        self.fusion = fusion or Concat()
        self.fusion.attach(language)
        self.heads: Any = nn.ModuleDict(dict(heads or {}))
        for each in (heads or {}).values():
            each.attach(self)
        names = [name for each in (heads or {}).values() for name in each.markers()]
        if twins := {name for name in names if names.count(name) > 1}:
            raise UserError(f"model.heads: two heads have the marker {min(twins)!r}; rename one")
        self.markers = tuple(names)
        """Names of the markers, in the order of their vectors."""
        self.objectives = nn.ModuleDict(dict(objectives or {}))
        for objective in (objectives or {}).values():
            objective.attach(self)
        self.low_precision = False
        self.template: Template | None = None
        """Wording of conversations and questions that the model was trained with; None if it is not known."""
        self.scaled_decoding = True
        """Whether large JPEGs are decoded at a reduced size. It should be the same in training and inference."""

    @property
    def parts(self) -> dict[str, Part]:
        """Parts of the model by name. Checkpoints, exports, learning rates and DDP iterate over them."""
        names = ("language", "vision", "mapper", "tuning", "fusion", "temporal")
        parts = {name: getattr(self, name) for name in names}
        parts |= {f"heads.{name}": head for name, head in self.heads.items()}
        parts |= {f"objectives.{name}": objective for name, objective in self.objectives.items()}
        return {name: part for name, part in parts.items() if part is not None}

    def processor(
        self,
        max_target_tokens: int = 64,
        reader: ImageReader | None = None,
        max_positions: int | None = None,
    ) -> Processor:
        """Returns a processor that turns prompts into batches for this model.

        Args:
            max_target_tokens: maximal length of a target, in tokens.
            reader: image reader; by default the vision encoder's (pixels, or precomputed features).
            max_positions: number of positions to which conversations are cut in training, if it is smaller than the
                language model's context.
        """
        reader = reader or self.vision.reader(self.scaled_decoding)
        places = self.fusion.places(self.k)
        one_image = type(self.fusion).__name__ if self.fusion.sees_last or not places else ""
        context = self.language.max_positions
        limits = [max_positions, context and context - self.language.soft_prompt_length]
        return Processor(
            self.language.name,
            places,
            reader,
            max_target_tokens,
            self.bos,
            self.markers,
            one_image=one_image,
            views=self.views,
            max_positions=min((limit for limit in limits if limit is not None), default=None),
        )

    def trained_weights(self) -> dict[str, Tensor]:
        """Returns the tensors that a checkpoint holds, by name: trained weights and their buffers."""
        return {
            f"{name}.{key}": value
            for name, part in self.parts.items()
            for key, value in part.trained().items()
        }

    def identity(self) -> dict[str, Any]:
        """Returns the settings that a checkpoint must match: `k`, `bos` and the identity of each part."""
        settings = {"k": self.k, "bos": self.bos}
        return settings | {
            f"{name}.{key}" if "." in name else key: value
            for name, part in self.parts.items()
            for key, value in part.identity().items()
        }

    @property
    def device(self) -> torch.device:
        return next(self.mapper.parameters()).device

    def hold_frozen_in_bf16(self) -> None:
        """Casts frozen weights to bfloat16. Trained weights stay fp32, and their arithmetic runs under autocast."""
        self.low_precision = True
        for weight in self.language.parameters():  # buffers keep their precision: rotary frequencies need it
            if weight.requires_grad:
                self.language.mixed = True
            elif weight.is_floating_point():  # quantised weights are not
                weight.data = weight.data.to(torch.bfloat16)
        if not self.vision.trainable:
            # Channels last makes bf16 convolutions take two thirds of the time (measured on a CPU with AMX).
            self.vision.model.to(torch.bfloat16, memory_format=torch.channels_last)

    def autocast(self, tensor: Tensor) -> torch.autocast:
        """Returns bf16 autocast on the tensor's device; it is disabled if frozen weights are fp32."""
        return torch.autocast(tensor.device.type, dtype=torch.bfloat16, enabled=self.low_precision)

    def encode(self, pixels: Tensor) -> Tensor:
        """Encodes uint8 pixels (N, 3, size, size) to features (N, tokens, channels), in batches of a fixed size.

        So the features of an image do not depend on N. Last digits may still differ on processors that round products
        by the position of a row (seen without AVX-512).
        """
        with self.autocast(pixels):
            return in_fixed_batches(self.vision, pixels)

    def features(self, images: Tensor, stage: Stage) -> Tensor:
        """Returns the features (N, tokens, channels) of pixels, encoded in one pass, or of features as they are.

        Raises:
            ValueError: if the stage is `prefixes`.
        """
        if stage == "prefixes":
            raise ValueError("prefix vectors have no features: they are what features were mapped to")
        if stage == "features":
            return images
        with self.autocast(images):
            return self.vision(images)

    @property
    def views(self) -> Views:
        """Rule by which a video becomes views, each of which takes the positions of one image."""
        return Views() if self.temporal is None else self.temporal.views

    def map(self, features: Tensor, views: Tensor | None = None, numbers: Tensor | None = None) -> Tensor:
        """Maps features (N, tokens, channels) to the prefix vectors (N, k, dim) of images, or (M, k, dim) of views.

        Args:
            features: features of images.
            views: (M, F) indices of the images of each view (`Batch.views`); None or empty if images are the views.
            numbers: (M, F) numbers of frames (`Batch.numbers`).
        """
        with self.autocast(features):
            features = features.to(next(self.mapper.parameters()).dtype)
            if views is None or numbers is None or not views.numel():
                return self.mapper(features)
            assert self.temporal is not None  # its processor made the views
            return self.temporal(self.mapper, features, views, numbers)

    def vectors(
        self, images: Tensor, stage: Stage, check: Callable[[Tensor], None] = lambda features: None
    ) -> Tensor:
        """Returns the prefix vectors (N, k, dim) of images at any stage.

        Args:
            images: pixels, features or prefix vectors.
            stage: form of the images.
            check: function that is called with the features (N, tokens, channels), unless the stage is `prefixes`.
        """
        if stage == "prefixes":
            return images
        features = self.features(images, stage)
        check(features)
        return self.map(features)

    def _prefix(self, batch: Batch) -> Tensor:
        """Returns the prefix vectors (N, k, dim) of a batch's images. Raises `RunError` if features are not finite."""
        run = Forward(self, batch)
        prefix = run.prefix
        run.check_features()
        return prefix

    def embeddings(self, batch: Batch, prefix: Tensor) -> Tensor:
        """Returns the input embeddings (B, L, dim) of a batch, with the prefix vectors (N, k, dim) of its images."""
        text = self.language.embed(batch.tokens)
        if batch.markers.numel() and (marked := batch.markers >= 0).any():
            vectors = torch.cat(
                [vector for head in self.heads.values() for vector in head.markers().values()]
            )
            text = text.index_put(
                marked.nonzero(as_tuple=True), vectors[batch.markers[marked]].to(text.dtype)
            )
        return self.fusion.embeddings(text, batch, prefix)

    def conditioner(self, prefix: Tensor, prompt_cache: PromptCache | None = None) -> Conditioner | None:
        """Returns the images of a pass, prepared by the fusion for the layers; None if layers do not see them.

        Args:
            prefix: (N, k, dim) prefix vectors of the batch's images.
            prompt_cache: leading part of the prompts; its images come first.
        """
        before = () if prompt_cache is None else (prompt_cache.prefix,)
        return self.fusion.conditioner(torch.cat([*before, prefix]))

    def conditioning(
        self, batch: Batch, conditioner: Conditioner | None, prompt_cache: PromptCache | None = None
    ) -> Conditioning | None:
        """Returns the images that each position of whole prompts sees; None if layers see no image.

        Args:
            batch: prompts, or the rest of them.
            conditioner: images of the leading part and of the batch.
            prompt_cache: leading part of the prompts, if the batch holds the rest of them.
        """
        if conditioner is None:
            return None
        if prompt_cache is None:
            return Conditioning.of(conditioner, batch.image_of)
        return Conditioning.of(conditioner, prompt_cache.whole_image_of(batch))

    def hidden(
        self,
        batch: Batch,
        prefix: Tensor,
        prompt_cache: PromptCache | None = None,
        layers: Sequence[int] = (),
        conditioner: Conditioner | None = None,
    ) -> Tensor:
        """Returns the last hidden states (positions, dim) of all real (non-padding) positions, row by row.

        Rows that begin alike, such as with the same image, share the computation of their beginning.

        Args:
            batch: prompts.
            prefix: (N, k, dim) prefix vectors of the batch's images.
            prompt_cache: leading part of the prompts, if the batch holds the rest of them.
            layers: layers to return, (positions, layers, dim); see `FrozenLanguageModel.hidden`.
            conditioner: images of the pass, if they were prepared before (`conditioner`).
        """
        conditioner = conditioner or self.conditioner(prefix, prompt_cache)
        seen = self.conditioning(batch, conditioner, prompt_cache)
        seen = seen and seen.columns(len(prompt_cache or ()))
        past = None if prompt_cache is None else prompt_cache.past.rows(torch.zeros_like(batch.lengths))
        tree = batch.tree if past is None and self.language.runs_packed else None
        return self.language.hidden(self.embeddings(batch, prefix), batch.lengths, past, layers, tree, seen)

    def run(self, batch: Batch, prompt_cache: PromptCache | None = None, **options: Any) -> Forward:
        """Returns a lazy forward pass of a batch. Objectives and scores read the stages that they need.

        Args:
            batch: prompts on the model's device.
            prompt_cache: leading part of the prompts, if the batch holds the rest of them.
            options: `seed` and `prepared` of `Forward`.

        Raises:
            UserError: if a prompt with its target is longer than the language model's context.
        """
        for rows in (batch, *batch.separate.values()):
            self._check(rows, prompt_cache)
        return Forward(self, batch, prompt_cache, **options)

    def _check(self, batch: Batch, prompt_cache: PromptCache | None = None, more: int = 0) -> None:
        """Checks that a batch, with `more` new tokens, may follow the prompt cache and fits the context."""
        if prompt_cache is not None:
            prompt_cache.check(batch)
        before = self.language.soft_prompt_length + len(prompt_cache or ())
        longest = before + max(batch.lengths.tolist(), default=0) + more
        limit = self.language.max_positions
        if limit is not None and longest > limit:
            raise UserError(
                f"a prompt with its {'continuation' if more else 'target'} has {longest} positions, "
                f"{self.language.name} only {limit}; use fewer shots, a smaller k or "
                f"a smaller {'max_new_tokens' if more else 'max_target_tokens'}"
            )

    @torch.no_grad()
    def prefill(self, processor: Processor, prompt: Prompt) -> PromptCache:
        """Reads the common leading part of many prompts once, such as a support set or a task induction.

        `processor(rests, start=False)` makes the batch of the rest of the prompts. If text meets text across the
        border, the border must be a token boundary, such as the end of a line.

        Raises:
            UserError: if the part is longer than the model's context, or the model cannot share a leading part.
        """
        batch = processor([prompt]).to(self.device)
        self._check(batch)
        prefix = self._prefix(batch)
        embeddings = self.embeddings(batch, prefix)
        past = self.language.read_lead(embeddings, self.conditioning(batch, self.conditioner(prefix)))
        text, inside = last_text(processor.worded(prompt))
        images = prefix, batch.image_of, batch.image_keys
        return PromptCache(past, embeddings[0], text, inside, processor, *images)

    @torch.no_grad()
    def score(self, batch: Batch, prompt_cache: PromptCache | None = None) -> Tensor:
        """Returns the log-probability (B,), in nats, of each prompt's target, with its end token unless it was cut.

        Args:
            batch: prompts with targets.
            prompt_cache: leading part of the prompts, if the batch holds the rest of them.
        """
        run = self.run(batch, prompt_cache)
        scores = torch.zeros(len(batch), device=batch.lengths.device)
        for chunk, nll in run.nll():
            row = (chunk.labels != IGNORE).nonzero(as_tuple=True)[0]
            scores.index_add_(0, chunk.index[row], -nll)
        return scores
