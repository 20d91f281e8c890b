"""elbolab: experiments with variational autoencoders."""

from typing import Any

__all__ = ["load_run"]


def __getattr__(name: str) -> Any:
    """`load_run` lives in the command-line layer and is imported when it is asked for."""
    if name == "load_run":
        from elbolab.runs.load import load_run

        return load_run
    raise AttributeError(f"module 'elbolab' has no attribute '{name}'")
