"""Scores of a code against the ground-truth factors of its data, from arrays alone.

The protocol is that of Locatello et al. 2019, "Challenging Common Assumptions in the Unsupervised Learning of
Disentangled Representations", except where a docstring says so: mean codes, 20 bins, 10,000 and 5,000 points or votes,
votes over 64 data. Where that study draws new data from the generator, rows of the given arrays are drawn, so no
generator is needed; every value of a factor should then occur in many rows.
"""
