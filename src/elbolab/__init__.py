"""elbolab: experiments with variational autoencoders.

Three functions do what the command line does: `train` trains and measures a model, `compose` returns a configuration,
and `load_run` reads a finished run. ``elbolab.train("model=beta_vae", "model.beta=4")``; ``elbolab list`` in a shell
shows what can be chosen.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elbolab.cli.api import compose, train
    from elbolab.runs.load import load_run

__all__ = ["compose", "load_run", "train"]

HOMES = {"compose": "elbolab.cli.api", "train": "elbolab.cli.api", "load_run": "elbolab.runs.load"}
"""Where the functions live: `import elbolab` imports neither, and so neither torch nor Hydra."""


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(import_module(HOMES[name]), name)
    raise AttributeError(f"module 'elbolab' has no attribute '{name}'")
