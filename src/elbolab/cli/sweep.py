"""What Hydra calls when a multirun ends. It is imported with every command, so it imports nothing heavy itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class Failure(NamedTuple):
    """What went wrong in a job.

    Attributes:
        error: the error.
        folder: the job's directory.
        sweep: that of its sweep, None for a single run.
        overrides: its overrides.
    """

    error: Exception
    folder: Path
    sweep: Path | None
    overrides: list[str]


@final
class Compare(Callback):
    """Compares the jobs of a multirun when the last has ended; Hydra does not call it where one has failed."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Writes the comparison into the sweep directory."""
        print_comparison(Path(config.hydra.sweep.dir))


def print_comparison(folder: Path) -> None:
    """Compares the runs in a sweep's directory, if there are two."""
    from elbolab.cli.compare import compare, evaluated

    runs = evaluated([folder])
    if len(runs) > 1:
        print(compare(runs, folder))


def print_others(failures: Sequence[Failure], argv: Sequence[str]) -> None:
    """Where jobs of a sweep have failed: the comparison of the others, then a line for each that failed.

    Args:
        failures: what went wrong; nothing is printed for a single run.
        argv: the sub-command and its arguments.
    """
    from elbolab.cli.errors import explain
    from elbolab.cli.listing import split_args

    for sweep in dict.fromkeys(failure.sweep for failure in failures if failure.sweep is not None):
        print_comparison(sweep)
    for failure in failures:
        if failure.sweep is not None:
            swept = ", ".join(override for override in failure.overrides if override not in argv)
            print(f"job {failure.folder.name} ({swept}) failed: {explain(failure.error, *split_args(argv))}")
