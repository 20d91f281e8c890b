"""Conditionals p(a | b): networks and families that return torch distributions."""
