"""Models that a run builds on: which they are, and training those that are missing."""
