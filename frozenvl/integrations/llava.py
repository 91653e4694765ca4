"""A model as transformers' `LlavaForConditionalGeneration`, which loads without code of frozenvl.

LLaVA's layout has a vision transformer whose patches all become image positions, a projector of two linear layers, and
a language model. A linear map is such a projector with the identity behind it.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, LlavaConfig, LlavaForConditionalGeneration

from frozenvl.integrations.llava_processor import leading_vectors, llava_processor
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.fusion import Concat
from frozenvl.model.mappers import PatchLinear, PixelShuffle
from frozenvl.model.tuning import Finetuned, LoRA
from frozenvl.model.vision import HFEncoder
from frozenvl.pretrained.names import without_bar
from frozenvl.util.errors import UserError
from frozenvl.util.whole_folder import whole_folder

Strategy: TypeAlias = Literal["default", "full"]
TOLERANCE = 1e-3
"""Largest difference of a logit, as a share of the largest, for which an exported model counts as equal."""


def as_llava(model: FrozenVL, image_token: int) -> LlavaForConditionalGeneration:
    """Returns a copy of a model as transformers' LLaVA class, in fp32. LoRA is merged into the weights.

    Args:
        model: the model.
        image_token: id of the token that stands for an image's position. The language model must not need it.

    Raises:
        UserError: if a part of the model has no place in LLaVA's layout, or the copy's logits differ.
    """
    strategy = select_strategy(model)
    encoder: Any = model.vision
    language, vision = merged(model), encoder.model
    first, last = projector(model)
    text = deepcopy(language.config)
    text.vocab_size = max(text.vocab_size, image_token + 1)
    config = LlavaConfig(
        vision_config=vision.config,
        text_config=text,
        image_token_index=image_token,
        projector_hidden_act="linear" if last is None else "gelu",
        vision_feature_select_strategy=strategy,
        vision_feature_layer=encoder.layer,
        image_seq_length=model.k,
        multimodal_projector_bias=True,
        tie_word_embeddings=bool(getattr(text, "tie_word_embeddings", False)),
    )
    made: Any = LlavaForConditionalGeneration(config).float().eval().requires_grad_(False)
    fill(made.model.vision_tower, vision.state_dict())
    fill(made.model.language_model, language.base_model.state_dict())
    fill(made.lm_head, language.get_output_embeddings().state_dict())
    projecting = made.model.multi_modal_projector
    fill(projecting.linear_1, first.state_dict())
    fill(projecting.linear_2, (last or identity(model.language.dim)).state_dict())
    check_equal(model, made, image_token)
    return made


def write_llava(model: FrozenVL, folder: Path) -> None:
    """Writes a model in LLaVA's layout, with its processor, for `AutoModelForImageTextToText` and `AutoProcessor`.

    Raises:
        UserError: if a part of the model has no place in the layout; nothing is then written.
    """
    processor: Any = llava_processor(model, select_strategy(model))
    made = as_llava(model, processor.image_token_id)
    ends = model.language.end_tokens
    made.generation_config = GenerationConfig(
        bos_token_id=processor.tokenizer.bos_token_id,
        eos_token_id=sorted(ends),
        pad_token_id=processor.tokenizer.pad_token_id or min(ends),
        suppress_tokens=[processor.image_token_id],
    )
    with whole_folder(folder) as whole, without_bar():
        made.save_pretrained(whole)
        processor.save_pretrained(whole)


def select_strategy(model: FrozenVL) -> Strategy:
    """Returns which vectors of the encoder LLaVA has to take: "default" leaves the first one out, "full" takes all.

    Raises:
        UserError: if a part other than the mapper has no place in LLaVA's layout.
    """
    vision: Any = model.vision
    if not isinstance(vision, HFEncoder):
        raise unsuited(
            "the encoder", vision, "LLaVA's layout has a vision transformer of transformers: HFEncoder"
        )
    if type(model.fusion) is not Concat:
        raise unsuited("the fusion", model.fusion, "LLaVA's layout has image vectors among the text: Concat")
    if model.temporal is not None:
        raise unsuited("the temporal part", model.temporal, "LLaVA's layout has single images")
    if not isinstance(model.tuning, LoRA | Finetuned | None):
        raise unsuited(
            "the tuning", model.tuning, "LLaVA's layout has a language model alone; LoRA is merged"
        )
    if model.language.quantization:
        raise UserError("the language model is quantised; export a run of the whole weights")
    side = round(vision.patches**0.5)
    if vision.grid not in ("all", side):
        raise UserError(
            f"the encoder's grid is {vision.grid}, and LLaVA's layout has a vector for each patch; "
            f"train with grid {side}"
        )
    before = vision.tokens - vision.patches if vision.grid == "all" else leading_vectors(vision)
    if vision.grid != "all" and before > 1:
        raise UserError(
            f"the encoder has {before} vectors before its patches, and LLaVA's layout leaves out one; "
            "train with grid all"
        )
    return "full" if vision.grid == "all" or not before else "default"


def projector(model: FrozenVL) -> tuple[nn.Module, nn.Module | None]:
    """Returns the two linear layers of the mapper; None for the second if it is one linear map.

    Raises:
        UserError: if the mapper is something else.
    """
    mapper: Any = model.mapper
    what = "LLaVA's layout has one or two linear layers of each patch"
    if any(isinstance(module, nn.LayerNorm) for module in mapper.modules()):
        raise unsuited(
            "the mapper", mapper, f"{what}, and this one normalises; train with norm_features: false"
        )
    if isinstance(mapper, PatchLinear):
        return mapper.out, None
    if (
        isinstance(mapper, PixelShuffle)
        and mapper.fold == 1
        and mapper.net[1].out_features == model.language.dim
    ):
        return mapper.net[1], mapper.net[3]
    raise unsuited(
        "the mapper", mapper, f"{what}: PatchLinear, or PixelShuffle with k = the number of patches"
    )


def merged(model: FrozenVL) -> Any:
    """Returns a copy of the language model with LoRA merged into its weights."""
    language = deepcopy(model.language.model).float()
    if isinstance(model.tuning, LoRA):
        from peft.tuners.tuners_utils import BaseTunerLayer  # late: takes seconds

        for name, module in [*language.named_modules()]:
            if isinstance(module, BaseTunerLayer):
                module.merge()
                above, _, own = name.rpartition(".")
                setattr(language.get_submodule(above), own, module.get_base_layer())
    return language


@torch.no_grad()
def fill(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Sets the weights of a module. Those that are not given, such as a pooler that nothing reads, become 0.

    A new image token is one row more, of zeros.

    Raises:
        UserError: if the module has no place for a weight.
    """
    own = module.state_dict()
    wrapped = {f"vision_model.{name}": value for name, value in weights.items()}
    given = wrapped if wrapped.keys() <= own.keys() else weights
    if foreign := given.keys() - own.keys():
        raise UserError(f"LLaVA's layout has no place for the weight {min(foreign)} of this model")
    for name, value in own.items():
        value.zero_()
        if name in given:
            value[: len(given[name])].copy_(given[name]) if value.ndim else value.copy_(given[name])


def identity(dim: int) -> nn.Linear:
    """Returns a linear layer that changes nothing."""
    layer = nn.Linear(dim, dim)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(dim))
        layer.bias.zero_()
    return layer


@torch.no_grad()
def check_equal(model: FrozenVL, made: Any, image_token: int) -> None:
    """Compares the logits of both models behind a random image.

    Raises:
        UserError: if they differ.
    """
    vision: Any = model.vision
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (1, 3, vision.size, vision.size), generator=generator).to(torch.uint8)
    tokens = [token for token in (5, 7, 11, 13) if token != image_token]
    wanted = logits_of(model, pixels, tokens)
    ids = torch.tensor([[*[image_token] * model.k, *tokens]])
    normal = (pixels / 255 - vision.mean) / vision.std
    got = (
        made(input_ids=ids, pixel_values=normal, use_cache=False)
        .logits[0, model.k - 1 :, : wanted.shape[1]]
        .float()
    )
    apart = (got - wanted).abs().max() / wanted.abs().max()
    tolerance = 0.05 if model.low_precision else TOLERANCE
    if not apart <= tolerance:
        hint = (
            "; CLIP is equal at every layer, other towers at layer -2 and below" if vision.layer == -1 else ""
        )
        raise UserError(f"the model in LLaVA's layout has other logits (by {apart:.1%}){hint}")


def logits_of(model: FrozenVL, pixels: Tensor, tokens: list[int]) -> Tensor:
    """Returns the logits (1 + tokens, vocabulary) of a model at an image's last position and at tokens behind it."""
    prefix = model.mapper(model.vision(pixels).float())
    language = model.language
    words = language.model.get_input_embeddings()(torch.tensor([tokens]))
    embeddings = torch.cat([prefix.to(words.dtype), words], 1)
    output = language.model(inputs_embeds=embeddings, use_cache=False)
    return output.logits[0, model.k - 1 :].float()


def unsuited(what: str, part: object, why: str) -> UserError:
    """Returns the error for a part that LLaVA's layout has no place for."""
    return UserError(
        f"{what} is {type(part).__name__}; {why}. `frozenvl export` without --format writes this model"
    )
