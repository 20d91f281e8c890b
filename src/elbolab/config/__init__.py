"""Composing configurations with Hydra: their names, their values, what is built from them, and clear errors."""
