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
from elbolab.search.experiment import write_experiment
from elbolab.search.objectives import Objective
from elbolab.search.space import Space

MOST_ROWS = 10  # trials that the table shows of a search by one objective, the best first
LEAST_FOR_IMPORTANCES = 4  # finished trials without which nothing is said of what mattered


def describe_results(
    study: optuna.Study, objectives: Sequence[Objective], space: Space, folder: Path, loader: Any
) -> str:
    """What a study has found so far, in words; its best trials are written as experiments into the sweep's folder."""
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    words = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "without a finite value"}
    # a trial that the study waits for is as its directory says
    counts = Counter(sorted(words.get(trial.state) or state_of(folder / str(trial.number)).state for trial in trials))
    lines = [f"{len(trials)} trials: {', '.join(f'{num} {word}' for word, num in counts.items())}"]
    if complete:
        if len(objectives) == 1:
            rows = rank_trials(complete, objectives[0])[:MOST_ROWS]
            best = {"best": rows[0]}
        else:
            rows = sorted(study.best_trials, key=lambda trial: trial.values)
            best = {f"pareto_{trial.number}": trial for trial in rows}
        lines.append(table(rows, objectives, list(space.distributions)))
        lines += _importances(study, objectives, complete)
        try:
            if len(objectives) == 2:
                lines.append(f"  {_draw_front(complete, rows, objectives, folder)}")
            lines += _write_experiments(best, objectives, space, folder / "conf", loader)
        except OSError as error:  # a full disk takes nothing with it that has been found
            lines.append(f"the best trials could not be written: {error}")
    return "\n".join(lines) + "\n"


def rank_trials(trials: Sequence[FrozenTrial], objective: Objective) -> list[FrozenTrial]:
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
        if len(complete) < LEAST_FOR_IMPORTANCES or len({trial.values[i] for trial in complete}) == 1:
            continue
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        target = lambda trial, i=i: trial.values[i]  # noqa: E731
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
        shares = ", ".join(f"{name} {share:.2f}" for name, share in found.items())
        yield f"parameter importances for {objective.name}: {shares}"


def _draw_front(
    complete: Sequence[FrozenTrial], front: Sequence[FrozenTrial], objectives: Sequence[Objective], folder: Path
) -> Path:
    from elbolab.evaluation.figures.curves import pareto
    from elbolab.evaluation.figures.drawing import write_figures

    points = [(str(trial.number), *trial.values) for trial in front]
    names = [objective.name for objective in objectives]
    (path,) = write_figures({"pareto": pareto(names, [trial.values for trial in complete], points)}, folder)  # type: ignore[arg-type]
    return path


def _write_experiments(
    best: dict[str, FrozenTrial], objectives: Sequence[Objective], space: Space, conf: Path, loader: Any
) -> Iterator[str]:
    """Writes each as an experiment of that name, and says how it is run."""
    for path in (conf / "experiment").glob("*.yaml"):
        if path.stem not in best:  # it was on the front, when the search had come less far
            path.unlink()
    for name, trial in best.items():
        values = zip(objectives, trial.values, strict=True)
        reached = ", ".join(f"{objective.name} = {value:.6g}" for objective, value in values)
        comment = f"Trial {trial.number} of a search: {reached}."
        text = write_experiment(comment, space.overrides(trial.params), loader)
        write_atomically(conf / "experiment" / f"{name}.yaml", text)
        yield shlex.join(["elbolab", "train", "--config-dir", str(conf), f"experiment={name}"])
