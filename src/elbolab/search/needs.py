"""What a search needs installed. It imports nothing heavy."""

from importlib.util import find_spec

EXTRA = "pip install 'elbolab[search]'"


def check_installed() -> None:
    """Looks for Optuna.

    Raises:
        ValueError: it is not there; names the command that installs it.
    """
    if find_spec("optuna") is None:
        raise ValueError(f"hydra/sweeper=optuna needs Optuna: {EXTRA}")
