"""`SentenceSpace`, the head that embeds images in the space of a frozen sentence encoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import AutoConfig, AutoModel, AutoTokenizer

from frozenvl.model.fingerprint import fingerprint
from frozenvl.model.forward import Forward
from frozenvl.model.heads.head import EmbeddingHead, Prompts, States
from frozenvl.model.heads.pooling import of_images
from frozenvl.model.missing_weights import refuse_missing, without
from frozenvl.pretrained.names import loading
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL

MAX_TEXTS_PER_PASS = 64


class SentenceSpace(EmbeddingHead):
    """Embeds texts by a frozen sentence encoder, and images by a trained map of the encoder's features to its space.

    The sentence encoder is any model of transformers' `AutoModel` with a tokeniser, such as all-MiniLM-L6-v2. As in
    sentence-transformers, its last hidden states are pooled and normalised; a longer text is cut at its
    `max_seq_length`. Image features are averaged over their positions first. The language model takes no part.

    Args:
        name: Hugging Face name, local folder, or name of a model from `frozenvl fetch` of the sentence encoder.
        pool: states that are read: the mean over all real tokens (all-MiniLM, E5, GTE), or the first token's (BGE).
        hidden: width of a hidden layer (GELU) of the image's map; by default the map is linear.
        text: wording of a text, with the field `{text}`, such as "query: {text}" for E5.
        dropout: dropout rate of image features.

    Raises:
        UserError: if there is no such model, or it lacks weights.
    """

    def __init__(
        self,
        name: str,
        pool: Literal["mean", "first"] = "mean",
        hidden: int | None = None,
        text: str = "{text}",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if hidden is not None and hidden < 1:
            raise UserError(
                f"model.heads: hidden is {hidden}; give 1 or more, or leave it out for a linear map"
            )
        if text.count("{text}") != 1:
            raise UserError(f"model.heads: text is {text!r}; it has to contain {{text}} once")
        self.name, self.pool, self.hidden, self.dropout = name, pool, hidden, dropout
        self.prompts = Prompts(text)
        with loading(name) as where:
            model, missing = loaded(where)
            self.tokenizer: Any = AutoTokenizer.from_pretrained(where, trust_remote_code=False)
        # A pooler behind the states is not read, and files that lack it would give it random weights.
        poolers = [key for key, _ in model.named_parameters() if key.startswith("pooler.")]
        without(model, poolers, lambda: model(input_ids=torch.zeros(1, 1, dtype=torch.long)))
        refuse_missing(f"sentence encoder {name!r}", missing - set(poolers), "use a complete file")
        self.encoder: Any = model.requires_grad_(False).eval()
        self.fingerprint = fingerprint(model)
        self.dim = int(model.config.hidden_size)
        self.max_tokens = max_tokens(where, model, self.tokenizer)

    def attach(self, model: FrozenVL) -> None:
        channels = model.vision.channels
        drop = nn.Dropout(self.dropout)
        if self.hidden is None:
            self.project_image = nn.Sequential(drop, nn.Linear(channels, self.dim))
        else:
            self.project_image = nn.Sequential(
                drop, nn.Linear(channels, self.hidden), nn.GELU(), nn.Linear(self.hidden, self.dim)
            )

    def trained(self) -> dict[str, Tensor]:
        """Returns the weights of the image's map, without the frozen sentence encoder."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("encoder.")}

    def identity(self) -> dict[str, Any]:
        return {"sentence_encoder": f"{self.fingerprint} {self.pool} {self.prompts.text}"}

    def train(self, mode: bool = True) -> SentenceSpace:
        """Keeps the sentence encoder in eval mode, whatever the mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def texts(self, run: Forward) -> Tensor:
        states = self.text_states(run.batch.texts) if self.text_states else None
        states = self.states_of(run) if states is None else states.to(run.batch.lengths.device)
        return states[:, 0]

    def images(self, run: Forward) -> Tensor:
        return of_images(run.batch, self.project_image(run.features.float().mean(1)))

    def states(self, model: FrozenVL) -> States:
        return States(f"sentence encoder {self.fingerprint} {self.pool} {self.max_tokens}", (1, self.dim))

    def states_of(self, run: Forward) -> Tensor:
        device = run.batch.lengths.device
        if device != next(self.encoder.parameters()).device:
            self.encoder.to(device)  # text states are cached before the whole model is on the device
        return self.encode(run.batch.texts)[:, None]

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Returns the sentence encoder's embedding (n, dim) of texts: fp32, of length 1, on the encoder's device."""
        device = next(self.encoder.parameters()).device
        order = sorted(
            range(len(texts)), key=lambda place: len(texts[place])
        )  # similar lengths: less padding
        vectors = torch.zeros(len(texts), self.dim, device=device)
        for start in range(0, len(order), MAX_TEXTS_PER_PASS):
            places = order[start : start + MAX_TEXTS_PER_PASS]
            tokens = self.tokenizer(
                [texts[place] for place in places],
                padding=True,
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
            ).to(device)
            with torch.autocast(device.type, enabled=False):
                states = self.encoder(**tokens).last_hidden_state
            vectors[torch.tensor(places, device=device)] = self._pooled(states, tokens["attention_mask"])
        return normalize(vectors, dim=-1)

    def _pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        """Returns one vector (n, dim) of each text's states (n, tokens, dim); `mask` is 1 for real tokens."""
        if self.pool == "first":
            return states[:, 0]
        weight = mask[..., None].to(states.dtype)
        return (states * weight).sum(1) / weight.sum(1).clamp(min=1)


def loaded(where: Path | str) -> tuple[Any, set[str]]:
    """Loads a sentence encoder in fp32. On the meta device it has no weights.

    Returns:
        The model, and the names of the weights that its file lacks.
    """
    if torch.get_default_device().type == "meta":
        config = AutoConfig.from_pretrained(where, trust_remote_code=False)
        return AutoModel.from_config(config, dtype=torch.float32), set()
    model, info = AutoModel.from_pretrained(
        where, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
    )
    return model, set(info["missing_keys"])


def max_tokens(where: Path | str, model: Any, tokenizer: Any) -> int:
    """Returns the number of tokens at which a sentence encoder cuts a text.

    Args:
        where: local folder or hub name. A folder's sentence_bert_config.json may set a lower limit than the model's.
        model: sentence encoder.
        tokenizer: tokeniser of the sentence encoder.
    """
    limits = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", 512)]
    file = Path(where) / "sentence_bert_config.json"
    if isinstance(where, Path) and file.is_file():
        limits.append(json.loads(file.read_text(encoding="utf-8")).get("max_seq_length") or limits[0])
    return int(min(limits))
