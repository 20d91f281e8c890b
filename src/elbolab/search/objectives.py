"""What a search improves: quantities of the validation data, read from a trial's directory."""

import json
from collections.abc import Sequence
from math import isfinite, nan
from pathlib import Path
from typing import NamedTuple, final

from elbolab.runs.status import read_curves, read_status

DIRECTIONS = {"min": "minimize", "max": "maximize"}
"""``mode`` in the configuration, and in Optuna's words."""


@final
class Objective(NamedTuple):
    """A quantity and where it should go."""

    name: str  # val/rate: a curve, read where the monitored quantity is best; val.nll: of the evaluation
    mode: str  # min or max

    @property
    def is_curve(self) -> bool:
        """Whether it is known while a trial trains."""
        return "/" in self.name


def read_objectives(
    names: Sequence[str] | None, modes: Sequence[str] | None, monitor: str, mode: str
) -> list[Objective]:
    """The objectives of a search: what the configuration monitors unless others are named.

    Raises:
        ValueError: one is of no validation data, or its direction is not given.
    """
    if names is None:
        if modes is not None:
            raise ValueError("hydra.sweeper.directions belong to hydra.sweeper.objectives: name those too")
        names, modes = [monitor], [mode]
    for name in names:
        if not name.startswith(("val/", "val.")):
            raise ValueError(
                f"hydra.sweeper.objectives: {name} is not of the validation data, the only data that a search uses: "
                "val/NAME is a column of metrics.csv, val.NAME a quantity of evaluation.splits=[val]"
            )
    if not names or modes is None or len(modes) != len(names) or not set(modes) <= set(DIRECTIONS):
        raise ValueError(
            f"hydra.sweeper.directions={modes}: give min or max for each of hydra.sweeper.objectives={list(names)}"
        )
    return [Objective(name, mode) for name, mode in zip(names, modes, strict=True)]


def values_of(folder: Path, objectives: Sequence[Objective]) -> list[float] | None:
    """The objectives of a finished run; None where one is not finite.

    Raises:
        ValueError: the run has no such quantity.
    """
    values = [_value(folder, objective) for objective in objectives]
    return values if all(map(isfinite, values)) else None


def _value(folder: Path, objective: Objective) -> float:
    name, status = objective.name, read_status(folder)
    assert status is not None, folder
    monitor = status["monitor"]
    if name == monitor:
        return nan if status["value"] is None else status["value"]
    if objective.is_curve:
        rows = [row for row in read_curves(folder, [monitor, name]) if row[monitor] and row[name]]
        if not rows:
            raise ValueError(f"{folder / 'metrics.csv'} has no {name} beside {monitor}: name another of its columns")
        best = max if status["mode"] == "max" else min  # there the weights were kept
        return float(best(rows, key=lambda row: float(row[monitor]))[name])
    path, (split, _, quantity) = folder / "evaluation.json", name.partition(".")
    measured = json.loads(path.read_text(encoding="utf-8")).get(split, {})
    if quantity not in measured:
        known = f"it has {', '.join(measured)}" if measured else "add evaluation.splits=[val]"
        raise ValueError(f"{path} has no {name}: {known}")
    return float(measured[quantity]["value"])
