"""What a search has found: the table of its trials, the best as an experiment, the front, what mattered."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from elbolab.common.files import write_atomically
from elbolab.common.text import text_table
from elbolab.runs.labels import shorten
from elbolab.runs.status import state_of
from elbolab.search.experiment import experiment
from elbolab.search.objectives import Objective
from elbolab.search.space import Space

SHOWN = 10
"""Trials that the table shows of a search by one objective, the best first."""

LEAST = 4
"""Finished trials without which nothing is said of what mattered."""


def conclude(study: optuna.Study, objectives: Sequence[Objective], space: Space, folder: Path, loader: Any) -> str:
    """What a study has found so far, in words; its best trials are written as experiments.

    Args:
        study: it.
        objectives: what it is searched by.
        space: what its trials chose from.
        folder: the sweep's directory.
        loader: Hydra's.
    """
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    counts = Counter(sorted(_word(trial, folder) for trial in trials))
    lines = [f"{len(trials)} trials: {', '.join(f'{num} {word}' for word, num in counts.items())}"]
    if complete:
        shown = sorted(study.best_trials, key=lambda trial: trial.values)
        if len(objectives) == 1:
            shown = ranked(complete, objectives[0])[:SHOWN]
        best = shown[:1] if len(objectives) == 1 else shown
        lines.append(table(shown, objectives, list(space.distributions)))
        lines += _importances(study, objectives, complete)
        try:
            if len(objectives) == 2:
                lines.append(f"  {_draw(complete, best, objectives, folder)}")
            lines += _experiments(best, objectives, space, folder, loader)
        except OSError as error:  # a full disk takes nothing with it that has been found
            lines.append(f"the best could not be written: {error}")
    return "\n".join(lines) + "\n"


def _word(trial: FrozenTrial, folder: Path) -> str:
    """A trial that the study waits for is as its directory says."""
    if trial.state == TrialState.RUNNING:
        return state_of(folder / str(trial.number)).state
    return {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned"}.get(trial.state, "without a finite value")


def ranked(trials: Sequence[FrozenTrial], objective: Objective) -> list[FrozenTrial]:
    """By the objective, the best first, and of equals the earliest."""
    sign = -1 if objective.mode == "max" else 1
    return sorted(trials, key=lambda trial: (sign * trial.values[0], trial.number))


def table(trials: Sequence[FrozenTrial], objectives: Sequence[Objective], names: Sequence[str]) -> str:
    """A line a trial: number, objectives, parameters."""
    rows = [["trial", *(objective.name for objective in objectives), *names]]
    for trial in trials:
        values = [f"{value:.4f}" for value in trial.values]
        rows.append([str(trial.number), *values, *(shorten(str(trial.params.get(name))) for name in names)])
    return text_table(rows, left=())


def _importances(
    study: optuna.Study, objectives: Sequence[Objective], complete: Sequence[FrozenTrial]
) -> Iterator[str]:
    """What share of an objective's variance each parameter explains (Hutter et al. 2014, functional ANOVA)."""
    for i, objective in enumerate(objectives):
        if len(complete) < LEAST or len({trial.values[i] for trial in complete}) == 1:
            continue
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)

        def value(trial: FrozenTrial, i: int = i) -> float:
            return trial.values[i]

        found = optuna.importance.get_param_importances(study, evaluator=evaluator, target=value)
        shares = ", ".join(f"{name} {share:.2f}" for name, share in found.items())
        yield f"what {objective.name} depends on: {shares}"


def _draw(
    complete: Sequence[FrozenTrial], front: Sequence[FrozenTrial], objectives: Sequence[Objective], folder: Path
) -> Path:
    from elbolab.evaluation.figures.drawing import write_figures
    from elbolab.evaluation.figures.pareto import pareto

    points = [(str(trial.number), *trial.values) for trial in front]
    names = [objective.name for objective in objectives]
    (path,) = write_figures({"pareto": pareto(names, [trial.values for trial in complete], points)}, folder)  # type: ignore[arg-type]
    return path


def _experiments(
    best: Sequence[FrozenTrial], objectives: Sequence[Objective], space: Space, folder: Path, loader: Any
) -> Iterator[str]:
    """Writes each as an experiment, and says how it is run."""
    conf = folder / "conf"
    names = ["best"] if len(objectives) == 1 else [f"pareto_{trial.number}" for trial in best]
    for path in (conf / "experiment").glob("*.yaml"):
        if path.stem not in names:  # it was on the front, when the search had come less far
            path.unlink()
    for name, trial in zip(names, best, strict=True):
        reached = ", ".join(
            f"{objective.name} = {value:.6g}" for objective, value in zip(objectives, trial.values, strict=True)
        )
        overrides = space.overrides(trial.params)
        comment = f"Trial {trial.number} of a search: {reached}."
        write_atomically(conf / "experiment" / f"{name}.yaml", experiment(comment, overrides, loader))
        yield shlex.join(["elbolab", "train", "--config-dir", str(conf), f"experiment={name}"])
