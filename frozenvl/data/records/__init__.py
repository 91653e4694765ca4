"""Records of annotation files: one rule for texts, ids and refusals, shared by the sources and `frozenvl score`."""
