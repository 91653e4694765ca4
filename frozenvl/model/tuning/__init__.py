"""Tunings of the language model: finetuning, LoRA, adapters and soft prompts. They are baselines for Frozen."""

from frozenvl.model.tuning.adapters import Adapters
from frozenvl.model.tuning.finetuned import Finetuned
from frozenvl.model.tuning.lora import LoRA
from frozenvl.model.tuning.soft_prompts import PrefixTuning, PromptTuning
from frozenvl.model.tuning.tuning import Tuning

__all__ = ["Adapters", "Finetuned", "LoRA", "PrefixTuning", "PromptTuning", "Tuning"]
