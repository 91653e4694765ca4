"""Data: sources of examples, prompts made from them, and their order, a pure function of seed and position."""
