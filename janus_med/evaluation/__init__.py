"""Measuring a model on persons it has not seen: every figure with its interval and its baselines."""
