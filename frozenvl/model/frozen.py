"""`FrozenVL`: a visual prefix for a frozen language model; it trains, generates, scores and embeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from frozenvl.model.batch import IGNORE, Batch, Stage
from frozenvl.model.forward import MAX_POSITIONS_PER_PASS, Forward
from frozenvl.model.fusion import Concat, Fusion
from frozenvl.model.hub import OnHub
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.decoding import greedy, sample
from frozenvl.model.language.kv_cache import KVCache
from frozenvl.model.language.loglikelihood import Likelihood, likelihoods
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.mappers import Mapper
from frozenvl.model.part import Part
from frozenvl.model.processor import ImageReader, Processor, text_of
from frozenvl.model.tuning import Tuning
from frozenvl.model.vision import VisionEncoder
from frozenvl.model.vision.fixed_batches import in_fixed_batches
from frozenvl.prompt import Prompt
from frozenvl.util.errors import UserError


class Continuation(NamedTuple):
    """What was generated."""

    text: str
    ended: bool
    """At the end token or at a stop text, rather than at the length limit."""


class FrozenVL(nn.Module, OnHub):
    """vision → mapper → fusion → frozen language model (Frozen, section 3).

    Args:
        language: the frozen language model.
        vision: image encoder, frozen or trainable.
        mapper: makes the mapper from (channels, tokens, dim, k).
        k: prefix vectors per image.
        tuning: what is trained of, or beside, the language model; nothing, by default.
        bos: whether prompts begin with the tokeniser's start token where it does not put it there itself. Language
            models rest much of their attention on whatever stands first; an image in that place gets gradients
            hundreds of times too large from some samples.
        fusion: how image vectors meet the text; by default they stand among it.
        objectives: what the model is trained for, by name; their weights are trained, and kept, with the model's.
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
        self.objectives = nn.ModuleDict(dict(objectives or {}))
        for objective in (objectives or {}).values():
            objective.attach(self)
        self.low_precision = False
        self.scaled_decoding = True
        """Whether large JPEGs are decoded at a reduced size, as in training."""

    @property
    def parts(self) -> dict[str, Part]:
        """All parts by name: checkpoints, exports, learning rates and DDP go through them."""
        named = {name: getattr(self, name) for name in ("language", "vision", "mapper", "tuning", "fusion")}
        named |= {f"objectives.{name}": objective for name, objective in self.objectives.items()}
        return {name: part for name, part in named.items() if part is not None}

    def processor(self, max_target_tokens: int = 64, reader: ImageReader | None = None) -> Processor:
        """Makes its batches.

        Args:
            reader: how images are read; by default as pixels, or as what is in their place.
        """
        reader = reader or self.vision.reader(self.scaled_decoding)
        places = self.fusion.places(self.k)
        return Processor(self.language.name, places, reader, max_target_tokens, self.bos)

    def trained_weights(self) -> dict[str, Tensor]:
        """What a checkpoint holds: all that training changes, weights and the buffers beside them."""
        return {
            f"{name}.{key}": value
            for name, part in self.parts.items()
            for key, value in part.trained().items()
        }

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must find again: the frozen parts, and the shape of the prefix."""
        own = {"k": self.k, "bos": self.bos}
        return own | {key: value for part in self.parts.values() for key, value in part.identity().items()}

    @property
    def device(self) -> torch.device:
        return next(self.mapper.parameters()).device

    def hold_frozen_in_bf16(self) -> None:
        """Frozen weights in bfloat16, arithmetic of the trained parts under autocast; those stay fp32."""
        self.low_precision = True
        for weight in self.language.parameters():  # not its buffers: rotary frequencies need their digits
            if weight.requires_grad:
                self.language.mixed = True
            elif weight.is_floating_point():  # quantised ones are not
                weight.data = weight.data.to(torch.bfloat16)
        if not self.vision.trainable:
            # Channels last: convolutions in bf16 take two thirds of the time (measured on a CPU with AMX).
            self.vision.model.to(torch.bfloat16, memory_format=torch.channels_last)

    def _autocast(self, where: Tensor) -> torch.autocast:
        """bf16 arithmetic on a tensor's device, where the frozen weights are held in it."""
        return torch.autocast(where.device.type, dtype=torch.bfloat16, enabled=self.low_precision)

    def encode(self, pixels: Tensor) -> Tensor:
        """(N, 3, size, size) uint8 → (N, tokens, channels), however many rows there are.

        Where products round by the place of a row (seen on processors without AVX-512), last digits may differ.
        """
        with self._autocast(pixels):
            return in_fixed_batches(self.vision, pixels)

    def features(self, images: Tensor, stage: Stage) -> Tensor:
        """(N, tokens, channels) of images at a stage before prefix vectors, for training or with fixed statistics."""
        if stage == "prefixes":
            raise ValueError("prefix vectors have no features: they are what features were mapped to")
        if stage == "features":
            return images
        with self._autocast(images):
            return self.vision(images)

    def map(self, features: Tensor) -> Tensor:
        """(N, tokens, channels) → (N, k, dim)."""
        with self._autocast(features):
            return self.mapper(features.to(next(self.mapper.parameters()).dtype))

    def vectors(self, images: Tensor, stage: Stage) -> Tensor:
        """(N, k, dim): the prefix vectors of images at any stage."""
        return images if stage == "prefixes" else self.map(self.features(images, stage))

    def embeddings(self, batch: Batch, prefix: Tensor) -> Tensor:
        """(B, L, dim): what the language model is given of a batch, with its images' prefix vectors, (N, k, dim)."""
        return self.fusion.embeddings(self.language.embed(batch.tokens), batch, prefix)

    def hidden(self, batch: Batch, prefix: Tensor, prompt_cache: PromptCache | None = None) -> Tensor:
        """(positions, dim): last hidden states of all real positions, row by row."""
        past = None if prompt_cache is None else prompt_cache.past.rows(torch.zeros_like(batch.lengths))
        return self.language.hidden(self.embeddings(batch, prefix), batch.lengths, past)

    def run(self, batch: Batch, prompt_cache: PromptCache | None = None) -> Forward:
        """A pass of a batch, of which objectives and scores read what they need.

        Raises:
            UserError: a prompt with its target has more positions than the language model.
        """
        self._check(batch, prompt_cache)
        return Forward(self, batch, prompt_cache)

    def _check(self, batch: Batch, prompt_cache: PromptCache | None = None, more: int = 0) -> None:
        """Whether a batch may follow what it is to follow, and has the positions for it."""
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
        """Reads the leading part of many prompts once: a support set, an induction text.

        What comes `after` it is made by `processor(rests, start=False)`. Where text meets text across the
        border, it has to be where the tokeniser parts them, such as after a newline.

        Raises:
            UserError: where it has more positions than the model, or the model cannot share.
        """
        batch = processor([prompt]).to(self.device)
        self._check(batch)
        embeddings = self.embeddings(batch, self.vectors(batch.images, batch.stage))
        return PromptCache(
            self.language.read_lead(embeddings), embeddings[0], text_of(prompt[-1:]), processor
        )

    @torch.no_grad()
    def score(self, batch: Batch, prompt_cache: PromptCache | None = None) -> Tensor:
        """(B,) log-probability, in nats, of each prompt's target (its end token included, unless cut).

        Args:
            prompt_cache: what the prompts of the batch are the remainders of.
        """
        run = self.run(batch, prompt_cache)
        scores = torch.zeros(len(batch), device=batch.lengths.device)
        for chunk, nll in run.nll():
            row = (chunk.labels != IGNORE).nonzero(as_tuple=True)[0]
            scores.index_add_(0, chunk.index[row], -nll)
        return scores

    @torch.no_grad()
    def embed(self, batch: Batch) -> Tensor:
        """(B, dim) last hidden state at the last position of each prompt (as E5-V embeds images and texts), in fp32."""
        run = self.run(batch)
        vectors = torch.zeros(len(batch), self.language.dim, device=batch.lengths.device)
        for chunk, hidden in run.hidden():
            vectors[chunk.index] = hidden[chunk.lengths.cumsum(0) - 1].float()
        return vectors

    @torch.no_grad()
    def rank_candidates(
        self,
        processor: Processor,
        prompts: Sequence[Prompt],
        candidates: Sequence[Sequence[str]],
        prompt_cache: PromptCache | None = None,
    ) -> list[list[Likelihood]]:
        """How likely each candidate is to follow its prompt, each prompt being read once.

        Args:
            candidates: of each prompt, each owning its leading space; never cut.
            prompt_cache: what the prompts are the remainders of.

        Raises:
            UserError: where the tokeniser joins a prompt and a candidate, or they have too many positions.
        """
        batch = processor(prompts, start=prompt_cache is None).to(self.device)
        targets = [
            [processor.continuation(text_of(prompt[-1:]), text) for text in texts]
            for prompt, texts in zip(prompts, candidates, strict=True)
        ]
        longest = max((len(tokens) for texts in targets for tokens in texts), default=1)
        self._check(batch, prompt_cache, longest - 1)
        prefix = self.vectors(batch.images, batch.stage)
        ranked: list[list[Likelihood]] = [[] for _ in prompts]
        for chunk in batch.chunks(MAX_POSITIONS_PER_PASS, before=len(prompt_cache or ())):
            past = self.language.read(*self._whole(chunk, prefix, prompt_cache))
            rows = [(row, t) for row, index in enumerate(chunk.index.tolist()) for t in targets[index]]
            each = likelihoods(self.language, past, rows, MAX_POSITIONS_PER_PASS)
            for (row, _), likelihood in zip(rows, each, strict=True):
                ranked[int(chunk.index[row])].append(likelihood)
        return ranked

    def _whole(
        self, batch: Batch, prefix: Tensor, prompt_cache: PromptCache | None
    ) -> tuple[Tensor, Tensor, KVCache | None]:
        """Embeddings and lengths of whole prompts, and the keys and values of what they begin with."""
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
        """The texts of `continuations`."""
        found = self.continuations(batch, processor, max_new_tokens, stop, **options)
        return [each.text for each in found]

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
        """Continues each prompt: greedily, or as transformers' `generate` does with its own `options`.

        Args:
            batch: prompts; labels are not looked at.
            processor: the `Processor` that made it: its tokeniser decodes.
            max_new_tokens: length limit.
            stop: texts that end a continuation; they stay in it (`Template.answer` cuts them off).
            prompt_cache: what the prompts of the batch are the remainders of; only greedy decoding is faster for it.
            options: `num_beams`, `do_sample`, `temperature`, `top_p` …

        Raises:
            UserError: where a prompt with its continuation has more positions than the model.
        """
        if not len(batch):
            return []
        self._check(batch, prompt_cache, max_new_tokens)
        inputs, lengths, lead = self._whole(batch, self.vectors(batch.images, batch.stage), prompt_cache)
        stopped = lambda ids: any(marker in processor.decode(ids) for marker in stop)
        if options:
            tokens = sample(
                self.language, inputs, lengths, processor.end, max_new_tokens=max_new_tokens, **options
            )
        else:
            tokens = greedy(self.language, inputs, lengths, max_new_tokens, stopped, processor.end, lead)
        return [
            Continuation(processor.decode(ids), len(ids) < max_new_tokens or stopped(ids)) for ids in tokens
        ]
