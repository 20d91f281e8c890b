"""Joint densities p(x, z | c) with their posterior q: what a model is. They return terms and reduce nothing."""
