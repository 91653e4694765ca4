"""The model, in torch alone: prompts to tensors, images to prefixes, prefixes through a frozen language model."""
