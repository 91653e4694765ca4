"""`FrozenVL`: a frozen language model with a visual prefix, for training, generation, scoring and embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from frozenvl.model.batch import IGNORE, Batch, Stage
from frozenvl.model.embedding import Embeds
from frozenvl.model.forward import MAX_POSITIONS_PER_PASS, Forward
from frozenvl.model.fusion import Concat, Fusion
from frozenvl.model.heads import Head
from frozenvl.model.hub import OnHub
from frozenvl.model.language.beam_search import BeamOptions, beam_search
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.decoding import check_options, greedy, sample
from frozenvl.model.language.kv_cache import KVCache
from frozenvl.model.language.loglikelihood import Likelihood, likelihoods
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.mappers import Mapper
from frozenvl.model.matching import Matches
from frozenvl.model.part import Part
from frozenvl.model.processor import ImageReader, Processor, text_of
from frozenvl.model.tuning import Tuning
from frozenvl.model.vision import VisionEncoder
from frozenvl.model.vision.fixed_batches import in_fixed_batches
from frozenvl.prompt import Prompt
from frozenvl.util.errors import UserError


class Continuation(NamedTuple):
    """Text generated after one prompt."""

    text: str
    ended: bool
    """True if it ended with the end token or a stop text, False if it reached the length limit."""


class FrozenVL(nn.Module, Embeds, Matches, OnHub):
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
        self.scaled_decoding = True
        """Whether large JPEGs are decoded at a reduced size. It should be the same in training and inference."""

    @property
    def parts(self) -> dict[str, Part]:
        """Parts of the model by name. Checkpoints, exports, learning rates and DDP iterate over them."""
        parts = {name: getattr(self, name) for name in ("language", "vision", "mapper", "tuning", "fusion")}
        parts |= {f"heads.{name}": head for name, head in self.heads.items()}
        parts |= {f"objectives.{name}": objective for name, objective in self.objectives.items()}
        return {name: part for name, part in parts.items() if part is not None}

    def processor(self, max_target_tokens: int = 64, reader: ImageReader | None = None) -> Processor:
        """Returns a processor that turns prompts into batches for this model.

        Args:
            max_target_tokens: maximal length of a target, in tokens.
            reader: image reader; by default the vision encoder's (pixels, or precomputed features).
        """
        reader = reader or self.vision.reader(self.scaled_decoding)
        places = self.fusion.places(self.k)
        return Processor(self.language.name, places, reader, max_target_tokens, self.bos, self.markers)

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

    def _autocast(self, tensor: Tensor) -> torch.autocast:
        """Returns bf16 autocast on the tensor's device; it is disabled if frozen weights are fp32."""
        return torch.autocast(tensor.device.type, dtype=torch.bfloat16, enabled=self.low_precision)

    def encode(self, pixels: Tensor) -> Tensor:
        """Encodes uint8 pixels (N, 3, size, size) to features (N, tokens, channels), in batches of a fixed size.

        So the features of an image do not depend on N. Last digits may still differ on processors that round products
        by the position of a row (seen without AVX-512).
        """
        with self._autocast(pixels):
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
        with self._autocast(images):
            return self.vision(images)

    def map(self, features: Tensor) -> Tensor:
        """Maps features (N, tokens, channels) to prefix vectors (N, k, dim)."""
        with self._autocast(features):
            return self.mapper(features.to(next(self.mapper.parameters()).dtype))

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

    def hidden(
        self,
        batch: Batch,
        prefix: Tensor,
        prompt_cache: PromptCache | None = None,
        layers: Sequence[int] = (),
    ) -> Tensor:
        """Returns the last hidden states (positions, dim) of all real (non-padding) positions, row by row.

        Rows that begin alike, such as with the same image, share the computation of their beginning.

        Args:
            batch: prompts.
            prefix: (N, k, dim) prefix vectors of the batch's images.
            prompt_cache: leading part of the prompts, if the batch holds the rest of them.
            layers: layers to return, (positions, layers, dim); see `FrozenLanguageModel.hidden`.
        """
        past = None if prompt_cache is None else prompt_cache.past.rows(torch.zeros_like(batch.lengths))
        tree = batch.tree if past is None and self.language.runs_packed else None
        return self.language.hidden(self.embeddings(batch, prefix), batch.lengths, past, layers, tree)

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
        embeddings = self.embeddings(batch, self._prefix(batch))
        return PromptCache(
            self.language.read_lead(embeddings), embeddings[0], text_of(prompt[-1:]), processor
        )

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

    @torch.no_grad()
    def rank_candidates(
        self,
        processor: Processor,
        prompts: Sequence[Prompt],
        candidates: Sequence[Sequence[str]],
        prompt_cache: PromptCache | None = None,
    ) -> list[list[Likelihood]]:
        """Returns the likelihood of each candidate after its prompt. Each prompt is read once.

        Args:
            processor: this model's processor.
            prompts: prompts without targets.
            candidates: candidate texts of each prompt, each with its leading space; they are never cut.
            prompt_cache: leading part of the prompts, if `prompts` are the rest of them.

        Raises:
            UserError: if the tokeniser joins a prompt and a candidate, or they are longer than the context.
        """
        batch = processor(prompts, start=prompt_cache is None).to(self.device)
        targets = [
            [processor.continuation(text_of(prompt[-1:]), text) for text in texts]
            for prompt, texts in zip(prompts, candidates, strict=True)
        ]
        longest = max((len(tokens) for texts in targets for tokens in texts), default=1)
        self._check(batch, prompt_cache, longest - 1)
        prefix = self._prefix(batch)
        ranked: list[list[Likelihood]] = [[] for _ in prompts]
        for chunk in batch.chunks(MAX_POSITIONS_PER_PASS, before=len(prompt_cache or ())):
            past = self.language.read(*self._whole(chunk, prefix, prompt_cache))
            rows = [(row, t) for row, index in enumerate(chunk.index.tolist()) for t in targets[index]]
            scores = likelihoods(self.language, past, rows, MAX_POSITIONS_PER_PASS)
            for (row, _), likelihood in zip(rows, scores, strict=True):
                ranked[int(chunk.index[row])].append(likelihood)
        return ranked

    def _whole(
        self, batch: Batch, prefix: Tensor, prompt_cache: PromptCache | None
    ) -> tuple[Tensor, Tensor, KVCache | None]:
        """Returns embeddings and lengths of whole prompts, and the KV cache of their common leading part."""
        embeddings = self.embeddings(batch, prefix)
        if prompt_cache is None:
            return embeddings, batch.lengths, None
        return *prompt_cache.whole(embeddings, batch.lengths), prompt_cache.past

    def generate(
        self,
        batch: Batch,
        processor: Processor,
        max_new_tokens: int = 32,
        stop: Sequence[str] = (),
        **options: Any,
    ) -> list[str]:
        """Returns the generated text of each prompt. Arguments as for `continuations`."""
        continuations = self.continuations(batch, processor, max_new_tokens, stop, **options)
        return [continuation.text for continuation in continuations]

    @torch.no_grad()
    def continuations(
        self,
        batch: Batch,
        processor: Processor,
        max_new_tokens: int = 32,
        stop: Sequence[str] = (),
        prompt_cache: PromptCache | None = None,
        **options: Any,
    ) -> list[Continuation]:
        """Continues each prompt: greedily, by beam search, or by transformers' `generate` if other `options` are given.

        Args:
            batch: prompts; their labels are ignored.
            processor: processor that made the batch; its tokeniser decodes.
            max_new_tokens: maximal length of a continuation, in tokens.
            stop: texts that end a greedy continuation; they stay in it (`Template.answer` cuts them off). Beam search
                and `generate` go on behind them.
            prompt_cache: leading part of the prompts, if the batch holds the rest of them. It saves time in greedy
                decoding and beam search.
            options: options of `generate`: `num_beams`, `do_sample`, `temperature`, `top_p`, … Options that are not
                given have transformers' defaults, whatever the model's own `generation_config.json` says.
                `num_beams`, `length_penalty` and `early_stopping` alone give the beam search of this package, with the
                results of transformers'.

        Raises:
            UserError: if a prompt with its continuation is longer than the model's context, or an option is refused.
        """
        if not len(batch):
            return []
        self._check(batch, prompt_cache, max_new_tokens)
        inputs, lengths, lead = self._whole(batch, self._prefix(batch), prompt_cache)
        stopped = lambda ids: any(marker in processor.decode(ids) for marker in stop)
        ends = self.language.end_tokens | {processor.end}
        check_options(options)
        if beams := BeamOptions.of(options):
            tokens = beam_search(self.language, inputs, lengths, max_new_tokens, beams, ends, lead)
        elif options:
            tokens = sample(self.language, inputs, lengths, ends, max_new_tokens, **options)
        else:
            tokens = greedy(self.language, inputs, lengths, max_new_tokens, stopped, ends, lead)
        return [
            Continuation(processor.decode(ids), len(ids) < max_new_tokens or stopped(ids)) for ids in tokens
        ]
