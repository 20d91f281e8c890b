"""`hydra/sweeper=optuna`: trials are chosen, run by any launcher, and read from their directories."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, final

import optuna
from hydra.plugins.launcher import Launcher
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from elbolab.runs.status import state_of
from elbolab.search.end import conclude
from elbolab.search.experiment import is_group
from elbolab.search.objectives import Objective, read_objectives
from elbolab.search.samplers import SPACE, Grid, Seeded
from elbolab.search.space import Space, read_space
from elbolab.search.study import open_study, place_of, quiet, reaching
from elbolab.search.trials import Trials, in_rows, one_at_a_time, present
from elbolab.sweeps.session import SESSION

HOPELESS = 3
"""Failures, with no success before them, after which a search ends: its trials have a fault in common."""


def search(
    options: Mapping[str, Any], config: DictConfig, loader: Any, launcher: Launcher, arguments: Sequence[str]
) -> None:
    """Runs trials until the study has as many as were asked for, and says what came of them.

    Args:
        options: ``hydra.sweeper``.
        config: the composed command.
        loader: Hydra's.
        launcher: runs jobs.
        arguments: the command line's overrides.

    Raises:
        ValueError: something is wrong with the search; nothing is written, and no study changed.
    """
    plan = Plan(options, config, read_space(options["params"], arguments, loader), loader)
    plan.rehearse()
    with quiet(), ExitStack() as stack:
        with reaching(plan.place):
            plan.folder.mkdir(parents=True, exist_ok=True)
            with one_at_a_time(plan.folder):
                study = plan.open()
                check_directories(study, plan.folder)
        worker = stack.enter_context(present(plan.folder))
        trials = Trials(study, plan.space, plan.folder, plan.num_trials, plan.jobs, worker)
        if (sweep := SESSION.get().sweep) is not None:
            sweep.conclude = lambda: _conclude(study, plan, loader)
        run(trials, launcher, plan)


def _conclude(study: optuna.Study, plan: "Plan", loader: Any) -> str:
    with quiet(), reaching(plan.place):
        return conclude(study, plan.objectives, plan.space, plan.folder, loader)


def check_directories(study: optuna.Study, folder: Path) -> None:
    """Refuses runs that the study knows nothing of: a new trial would take one of them for its own.

    Raises:
        ValueError: there is one.
    """
    known = {trial.number for trial in study.get_trials(deepcopy=False)}
    strange = [path.parent for path in folder.glob("*/status.json") if path.parent.name not in map(str, known)]
    if strange:
        raise ValueError(
            f"{min(strange)} is a run, and no trial of the study: was the study moved away? Put it back, or choose "
            "another hydra.sweep.dir"
        )


@final
class Plan:
    """What a command asks to be searched.

    Args:
        options: ``hydra.sweeper``.
        config: the composed command.
        space: what is chosen from.
        loader: Hydra's.

    Raises:
        HydraException: the configuration has no such key.
        ValueError: an option is wrong.
    """

    def __init__(self, options: Mapping[str, Any], config: DictConfig, space: Space, loader: Any) -> None:
        self.options, self.config, self.space = options, config, space
        self.folder = Path(config.hydra.sweep.dir).absolute()
        self.place = place_of(options["storage"], self.folder)
        names, modes = _plain(options["objectives"]), _plain(options["directions"])
        self.objectives = read_objectives(names, modes, *self._monitored(loader))
        workers = OmegaConf.select(config, "hydra.launcher.workers")
        self.jobs = _at_least_one("jobs", options["jobs"] or workers or 1)
        self.sampler = _made("sampler", options["sampler"], _partial_=True)
        self.pruner = read_pruner(options["pruner"], self.objectives)
        self.num_trials = self._num_trials()

    def _monitored(self, loader: Any) -> tuple[str, str]:
        """What the trials monitor, and its mode; composes one for each option of each group.

        Raises:
            ValueError: they would be measured by different quantities.
        """
        corners = self.space.corners(lambda key: is_group(key, loader))
        composed = [loader.load_sweep_config(self.config, self.space.overrides(values)) for values in corners]
        first, *others = dict.fromkeys((trial.monitor, trial.mode) for trial in composed)
        if others and self.options["objectives"] is None:
            raise ValueError(
                f"these trials are measured by {first[0]} ({first[1]}) and by {others[0][0]} ({others[0][1]}): say by "
                "which of their curves, as hydra.sweeper.objectives=[val/elbo] hydra.sweeper.directions=[max]"
            )
        return first

    def _num_trials(self) -> int:
        """As many as asked for; no more than a grid has points."""
        asked = _at_least_one("n_trials", self.options["n_trials"])
        probe = _called("sampler", self.options["sampler"], lambda: self.sampler(seed=0))
        return min(asked, Grid.size(self.space.distributions)) if isinstance(probe, Grid) else asked

    @property
    def record(self) -> dict[str, Any]:
        """What a study is of: it must not change."""
        return {
            "parameters": self.space.typed(),
            "overrides": sorted(self.space.fixed),
            "objectives": [objective.name for objective in self.objectives],
            "directions": [objective.direction for objective in self.objectives],
            "seed": self.options["seed"],
            "sampler": _plain(self.options["sampler"]),
            "pruner": _plain(self.options["pruner"]),
            SPACE: self.space.described(),
        }

    def open(self) -> optuna.Study:
        """The study, begun or gone on with."""
        sampler = Seeded(self.sampler, self.options["seed"])
        return open_study(self.place, self.options["study"], self.folder, self.record, sampler, self.pruner)

    def rehearse(self) -> None:
        """Chooses once in a study that is kept nowhere: what a sampler refuses, it refuses now.

        Raises:
            ValueError: it does.
        """
        sampler = Seeded(self.sampler, self.options["seed"])
        with quiet():
            study = optuna.create_study(directions=self.record["directions"], sampler=sampler)
            study.set_user_attr(SPACE, self.space.described())
            study.ask(fixed_distributions=self.space.distributions)


def run(trials: Trials, launcher: Launcher, plan: Plan) -> None:
    """Runs trials as long as there are any.

    Raises:
        ValueError: all have failed, or some have left nothing.
    """
    while True:
        with reaching(plan.place):
            batch = trials.take()
        if not batch:
            check_words(trials)
            return
        for row in in_rows(batch):
            launcher.launch([job.overrides for job in row], initial_job_idx=row[0].num)
        with reaching(plan.place):
            for job in batch:
                trials.settle(job, plan.objectives)
            check_hope(trials)


def check_hope(trials: Trials) -> None:
    """Ends a search in which nothing works.

    Raises:
        ValueError: the first few trials have all failed.
    """
    states = {number: state_of(trials.path(number)) for number in sorted(trials.tried)}
    failed = [number for number, state in states.items() if state.state == "failed"]
    ended = [trial for trial in trials.study.get_trials(deepcopy=False) if trial.state.is_finished()]
    if len(failed) >= HOPELESS and not ended:
        error = states[failed[-1]].error
        raise ValueError(f"the first {len(failed)} trials have all failed, the last with: {error}")


def check_words(trials: Trials) -> None:
    """Looks for trials that have not said how they ended: nothing else would.

    Raises:
        ValueError: there are some.
    """
    if silent := [str(num) for num in sorted(trials.tried) if state_of(trials.path(num)).state == "waiting"]:
        raise ValueError(
            f"trials {', '.join(silent)} have left no word in {trials.folder} (a full disk, or killed before they "
            "began?): the same command tries them again"
        )


def read_pruner(node: DictConfig | None, objectives: Sequence[Objective]) -> optuna.pruners.BasePruner:
    """The pruner.

    Raises:
        ValueError: there is no curve, or more than one, to judge trials by.
    """
    if node is None:
        return optuna.pruners.NopPruner()
    if len(objectives) > 1 or not objectives[0].is_curve:
        names = ", ".join(objective.name for objective in objectives)
        raise ValueError(
            f"a pruner judges one curve, as val/elbo, and this search is by {names}: add hydra/sweeper/pruner=null, or "
            "search by one curve"
        )
    return _made("pruner", node)


def _made(name: str, node: DictConfig, **extra: Any) -> Any:
    return _called(name, node, lambda: instantiate(node, _convert_="all", **extra))


def _called(name: str, node: DictConfig, make: Any) -> Any:
    """What ``make`` makes of the node of that name.

    Raises:
        ValueError: it does not take an option.
    """
    try:
        return make()
    except Exception as error:
        cause = error.__cause__ or error
        raise ValueError(f"hydra.sweeper.{name} ({node.get('_target_')}): {cause}") from error


def _at_least_one(name: str, number: Any) -> int:
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"hydra.sweeper.{name}={number}: give a whole number, at least 1")
    return number


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
