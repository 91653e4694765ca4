"""Examples that stand in front of a query, in training and in evaluation."""
