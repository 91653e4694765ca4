"""The model, in plain torch: processor, vision encoders, mappers, fusions, tunings and the frozen language model."""
