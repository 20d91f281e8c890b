"""A sweep: what its parent sees of it, the local launcher with its workers, and a job in whatever process it is."""
