"""Clusters: SLURM through submitit, or through a plain script; jobs that are requeued."""
