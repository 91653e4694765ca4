"""Tunings: what is trained of, or beside, the language model. These are the baselines of a visual prefix."""

from frozenvl.model.tuning.adapters import Adapters
from frozenvl.model.tuning.finetuned import Finetuned
from frozenvl.model.tuning.lora import LoRA
from frozenvl.model.tuning.soft_prompts import PrefixTuning, PromptTuning
from frozenvl.model.tuning.tuning import Tuning

__all__ = ["Adapters", "Finetuned", "LoRA", "PrefixTuning", "PromptTuning", "Tuning"]
