"""Decoding: greedy, where finished sequences leave the batch, and all methods of transformers' `generate`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioning import Conditioning, parts
from frozenvl.model.language.kv_cache import KVCache, left_padded, left_padded_views
from frozenvl.model.language.prepacked import prepacked
from frozenvl.util.errors import UserError

NEUTRAL: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "min_p": None,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "early_stopping": False,
    "no_repeat_ngram_size": 0,
    "min_new_tokens": None,
}
"""Options of `generate` that change texts, with transformers' defaults. `top_k` counts if `do_sample` is true."""
SET_HERE = (
    "max_new_tokens",
    "max_length",
    "max_time",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "use_cache",
)
"""Options of `generate` that the product sets itself."""
OTHER_RESULTS = ("num_return_sequences", "return_dict_in_generate")
"""Options that change the number or the type of the results; so does every `output_…` option."""


def check_options(options: Mapping[str, Any]) -> None:
    """Checks the names of options for `sample`.

    Raises:
        UserError: if one is no option of `generate`, is set by the product, or changes what `generate` returns.
    """
    known = GenerationConfig().to_dict().keys()
    for name in options:
        if name not in known:
            raise UserError(f"decoding has {name!r}, which is no option of transformers' `generate`")
        if name in SET_HERE:
            raise UserError(
                f"decoding has {name!r}, which is set here; leave it out (length limit: max_new_tokens)"
            )
        if name in OTHER_RESULTS or name.startswith("output_"):
            raise UserError(
                f"decoding has {name!r}, but one text is generated after each prompt; leave it out"
            )


def in_force(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all options of `generate` that are in force, whether they were given or not."""
    return NEUTRAL | dict(options)


@torch.no_grad()
def greedy(
    language: FrozenLanguageModel,
    embeddings: Tensor,
    lengths: Tensor,
    max_new_tokens: int,
    stop: Callable[[list[int]], bool],
    ends: Collection[int],
    lead: KVCache | None = None,
    conditioning: Conditioning | None = None,
) -> list[list[int]]:
    """Continues `B` sequences greedily. Finished sequences leave the batch.

    Args:
        language: language model.
        embeddings: (B, L, dim) input embeddings of whole sequences, padded on the right.
        lengths: (B,) number of real positions.
        max_new_tokens: maximal length of a continuation.
        stop: function that tells, from the token ids so far, whether a continuation ends before the end token.
        ends: ids of the tokens that end a continuation.
        lead: KV cache of the one leading part that all sequences share, if it was read before.
        conditioning: images that the positions see, if the fusion is not in the embeddings.

    Returns:
        B lists of token ids, without the end token.
    """
    done: list[list[int]] = [[] for _ in range(len(lengths))]
    with prepacked(max_new_tokens, language.model, *parts(conditioning)):
        past = language.read(embeddings, lengths, lead, conditioning)
        active = list(range(len(lengths)))
        for step in range(max_new_tokens):
            chosen = language.head(past.hidden).max(-1).indices  # same as argmax, in a third of its time
            keep = []
            for row, (index, token) in enumerate(zip(active, chosen.tolist(), strict=True)):
                if token in ends:
                    continue
                done[index].append(token)
                if step + 1 < max_new_tokens and not stop(done[index]):
                    keep.append(row)
            if not keep:
                break
            if len(keep) < len(active):
                rows = torch.tensor(keep, dtype=torch.long, device=chosen.device)
                past, chosen = past.reordered(rows), chosen[rows]
                active = [active[row] for row in keep]
            past = language.advance(past, chosen)
    return done


@torch.no_grad()
def sample(
    language: FrozenLanguageModel,
    embeddings: Tensor,
    lengths: Tensor,
    ends: Collection[int],
    max_new_tokens: int,
    stopping_criteria: Any = None,
    conditioning: Conditioning | None = None,
    **options: Any,
) -> list[list[int]]:
    """Continues `B` sequences with transformers' `generate`: sampling, penalties, …

    Options that are not given have transformers' own defaults (`NEUTRAL`), not those of the model's
    `generation_config.json`.

    Args:
        language: language model.
        embeddings: (B, L, dim) input embeddings, padded on the right.
        lengths: (B,) number of real positions.
        ends: ids of the tokens that end a continuation.
        max_new_tokens: maximal length of a continuation.
        stopping_criteria: stopping criteria of transformers; None by default.
        conditioning: images that the positions see, if the fusion is not in the embeddings.
        options: options of `generate`, as `check_options` allows them.

    Returns:
        B lists of token ids, without the end token.
    """
    width = embeddings.shape[1]
    embeddings, lengths = language.with_soft_prompt(embeddings, lengths)
    if conditioning is not None:
        conditioning = left_padded_views(conditioning.behind(embeddings.shape[1] - width), lengths)
    embeddings, mask = left_padded(embeddings, lengths)
    inputs: dict[str, Any] = {}
    if (cache := language.soft_prompt_cache(len(mask) * int(options.get("num_beams", 1)))) is not None:
        # `generate` counts the cached positions as inputs, so it needs placeholders for them.
        placeholder = embeddings.new_zeros(len(embeddings), language.soft_prompt_length, language.dim)
        embeddings = torch.cat([placeholder, embeddings], dim=1)
        mask = torch.cat([mask.new_ones(placeholder.shape[:2]), mask], dim=1)
        # transformers renames the argument; it has both names for a while.
        names = inspect.signature(language.model.generate).parameters
        inputs["cache" if "cache" in names else "past_key_values"] = cache
    eos = sorted(ends)
    settings = GenerationConfig(
        **in_force(options), max_new_tokens=max_new_tokens, eos_token_id=eos, pad_token_id=eos[0]
    )
    with language.eagerly(), language.autocast(), language.seeing(conditioning):
        out = language.model.generate(
            inputs_embeds=embeddings,
            attention_mask=mask,
            generation_config=settings,
            stopping_criteria=stopping_criteria,
            **inputs,
        )
    return [cut_at(row, ends) for row in out.tolist()]


def cut_at(tokens: list[int], ends: Collection[int]) -> list[int]:
    """Returns the token ids before the first end token."""
    return next((tokens[:at] for at, token in enumerate(tokens) if token in ends), tokens)


def try_options(
    language: FrozenLanguageModel, ends: Collection[int], max_new_tokens: int, options: Mapping[str, Any]
) -> None:
    """Generates two tokens after two short prompts, to find options that transformers refuses before a run starts.

    The state of torch's random generator is kept.

    Raises:
        UserError: if transformers refuses the options, or they give another number of texts.
    """
    table = language.some_embeddings(3)
    embeddings = torch.stack([table, table.flip(0)])
    lengths = torch.tensor([3, 2], device=table.device)
    stop = lambda tokens, scores, **_: torch.full(
        (len(tokens),), tokens.shape[1] >= 2, dtype=torch.bool, device=tokens.device
    )
    try:
        with torch.random.fork_rng():
            rows = sample(language, embeddings, lengths, ends, max_new_tokens, [stop], **options)
    except Exception as error:  # transformers checks few options; the others fail anywhere
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"decoding {dict(options)}: transformers' `generate` refuses it ({type(error).__name__}: {reason}); "
            "change or leave out these options"
        ) from error
    if len(rows) != len(lengths):
        raise UserError(
            f"decoding {dict(options)} gives {len(rows)} texts for {len(lengths)} prompts; give one each"
        )
