"""`Generates`: texts by a `FrozenVL`: continuations of prompts, and the likelihood of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.forward import MAX_POSITIONS_PER_PASS
from frozenvl.model.language.beam_search import BeamOptions, beam_search
from frozenvl.model.language.conditioning import Conditioning
from frozenvl.model.language.decoding import check_options, greedy, sample
from frozenvl.model.language.kv_cache import KVCache
from frozenvl.model.language.loglikelihood import Likelihood, likelihoods
from frozenvl.model.language.prompt_cache import PromptCache
from frozenvl.model.processor import Processor
from frozenvl.prompt import Example, Prompt
from frozenvl.util.decoding import Decoding
from frozenvl.wording import CHAT, VQA, Template

if TYPE_CHECKING:
    from frozenvl.model.conversation import Conversation


class Continuation(NamedTuple):
    """Text generated after one prompt."""

    text: str
    ended: bool
    """True if it ended with the end token or a stop text, False if it reached the length limit."""


class Candidate(NamedTuple):
    """One of several texts that a beam search found after one prompt."""

    text: str
    ended: bool
    """True if it ended with the end token, False if it reached the length limit."""
    score: float
    """Sum of its tokens' log-probabilities, in nats, over a power of their number (`length_penalty`)."""


class Generates:
    """Mixin of `FrozenVL` with the methods that generate texts, and that compare candidates by their likelihood."""

    @torch.no_grad()
    def rank_candidates(
        self: Any,
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
            processor.candidates(prompt, texts) for prompt, texts in zip(prompts, candidates, strict=True)
        ]
        longest = max((len(tokens) for texts in targets for tokens in texts), default=1)
        self._check(batch, prompt_cache, longest - 1)
        prefix = self._prefix(batch)
        conditioner = self.conditioner(prefix, prompt_cache)
        ranked: list[list[Likelihood]] = [[] for _ in prompts]
        for chunk in batch.chunks(MAX_POSITIONS_PER_PASS, before=len(prompt_cache or ())):
            seen = self.conditioning(chunk, conditioner, prompt_cache)
            past = self.language.read(*self._whole(chunk, prefix, prompt_cache), seen)
            rows = [(row, t) for row, index in enumerate(chunk.index.tolist()) for t in targets[index]]
            scores = likelihoods(self.language, past, rows, MAX_POSITIONS_PER_PASS)
            for (row, _), likelihood in zip(rows, scores, strict=True):
                ranked[int(chunk.index[row])].append(likelihood)
        return ranked

    def _whole(
        self: Any, batch: Batch, prefix: Tensor, prompt_cache: PromptCache | None
    ) -> tuple[Tensor, Tensor, KVCache | None]:
        """Returns embeddings and lengths of whole prompts, and the KV cache of their common leading part."""
        embeddings = self.embeddings(batch, prefix)
        if prompt_cache is None:
            return embeddings, batch.lengths, None
        return *prompt_cache.whole(embeddings, batch.lengths), prompt_cache.past

    def chat(
        self: Any,
        processor: Processor | None = None,
        template: Template | None = None,
        system: str = "",
        shots: Sequence[Example] = (),
        max_new_tokens: int = 256,
    ) -> Conversation:
        """Begins a conversation: `model.chat().say(image, "what is this?")` returns the reply.

        Args:
            processor: this model's processor; by default a new one.
            template: wording of messages and replies; by default the one that the model was trained with, if its
                checkpoint or export records one, else the language model's chat template, else `VQA`.
            system: system message; by default the template's task induction.
            shots: demonstrations in front of the first message.
            max_new_tokens: maximal length of a reply, in tokens.
        """
        from frozenvl.model.conversation import (
            Conversation,  # it reads images through a cache that needs a model
        )

        processor = processor or self.processor()
        template = template or self.question_template(processor)
        return Conversation(self, processor, template, system, shots, max_new_tokens)

    def question_template(self: Any, processor: Processor) -> Template:
        """Returns the wording of questions: the one that the model was trained with, if its checkpoint or export
        records one, else the language model's chat template, else `VQA`."""
        return self.template or (CHAT if processor.tokenizer.chat_template else VQA)

    def answers(
        self: Any, processor: Processor, prompts: Sequence[Prompt], template: Template, decoding: Decoding
    ) -> list[str]:
        """Generates a text after each prompt, cut at the template's stop strings.

        Args:
            processor: this model's processor.
            prompts: prompts without targets.
            template: template that worded them.
            decoding: how the texts are decoded. Sampling begins at its seed, and leaves torch's state as it was.

        Raises:
            UserError: if an image cannot be read, or a prompt with its text is longer than the context.
        """
        batch = processor(prompts).to(self.device)
        with torch.random.fork_rng(enabled=bool(decoding.temperature)):
            if decoding.temperature:
                torch.manual_seed(decoding.seed)
            texts = self.generate(
                batch, processor, decoding.max_new_tokens, template.stops, **decoding.options
            )
        return [template.answer(text) for text in texts]

    def generate(
        self: Any,
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
        self: Any,
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
        inputs, lengths, lead, seen = self._read(batch, max_new_tokens, prompt_cache)
        stopped = lambda ids: any(marker in processor.decode(ids) for marker in stop)
        ends = self.language.end_tokens | processor.ends
        check_options(options)
        if beams := BeamOptions.of(options):
            found = beam_search(self.language, inputs, lengths, max_new_tokens, beams, ends, lead, seen)
            tokens = [hypotheses[0].tokens for hypotheses in found]
        elif options:
            tokens = sample(
                self.language, inputs, lengths, ends, max_new_tokens, conditioning=seen, **options
            )
        else:
            tokens = greedy(self.language, inputs, lengths, max_new_tokens, stopped, ends, lead, seen)
        return [
            Continuation(processor.decode(ids), len(ids) < max_new_tokens or stopped(ids)) for ids in tokens
        ]

    @torch.no_grad()
    def candidates(
        self: Any,
        batch: Batch,
        processor: Processor,
        max_new_tokens: int,
        beams: BeamOptions,
        prompt_cache: PromptCache | None = None,
    ) -> list[list[Candidate]]:
        """Returns the texts that a beam search found after each prompt, best first: at most as many as there are beams.

        Args:
            batch: prompts; their labels are ignored.
            processor: processor that made the batch; its tokeniser decodes.
            max_new_tokens: maximal length of a text, in tokens.
            beams: options of the search.
            prompt_cache: leading part of the prompts, if the batch holds the rest of them.

        Raises:
            UserError: if a prompt with its text is longer than the model's context.
        """
        if not len(batch):
            return []
        inputs, lengths, lead, seen = self._read(batch, max_new_tokens, prompt_cache)
        ends = self.language.end_tokens | processor.ends
        found = beam_search(self.language, inputs, lengths, max_new_tokens, beams, ends, lead, seen)
        return [
            [Candidate(processor.decode(ids), len(ids) < max_new_tokens, score) for ids, score in hypotheses]
            for hypotheses in found
        ]

    def _read(
        self: Any, batch: Batch, max_new_tokens: int, prompt_cache: PromptCache | None
    ) -> tuple[Tensor, Tensor, KVCache | None, Conditioning | None]:
        """Returns what texts of a length continue: embeddings, lengths, the common leading part, and images seen."""
        self._check(batch, prompt_cache, max_new_tokens)
        prefix = self._prefix(batch)
        seen = self.conditioning(batch, self.conditioner(prefix, prompt_cache), prompt_cache)
        return *self._whole(batch, prefix, prompt_cache), seen
