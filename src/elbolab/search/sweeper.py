"""`hydra/sweeper=optuna`: trials are chosen, run by any launcher, and read from their directories."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import optuna
from hydra.plugins.launcher import Launcher
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from elbolab.search.experiment import is_group
from elbolab.search.objectives import DIRECTIONS, read_objectives
from elbolab.search.results import describe_results
from elbolab.search.samplers import SPACE, Grid, SeededSampler
from elbolab.search.space import Space, read_space
from elbolab.search.study import explain_faults, open_study, place_of, silence_optuna
from elbolab.search.trials import Trials, lock_study, register_worker, split_into_rows
from elbolab.sweeps.session import SESSION

HOPELESS = 3  # failures, with no success before them, after which a search ends: its trials have a fault in common


def search(
    options: Mapping[str, Any], config: DictConfig, loader: Any, launcher: Launcher, arguments: Sequence[str]
) -> None:
    """Runs trials until the study has as many as were asked for; ``options`` are ``hydra.sweeper``.

    Raises:
        ValueError: something is wrong with the search; nothing is written, and no study changed.
    """
    plan = Plan(options, config, read_space(options["params"], arguments, loader), loader)
    plan.rehearse()
    with silence_optuna():
        with explain_faults(plan.place):
            plan.folder.mkdir(parents=True, exist_ok=True)
            with lock_study(plan.folder):
                study = plan.open()
                check_directories(study, plan.folder)

        def conclude() -> str:
            with silence_optuna(), explain_faults(plan.place):
                return describe_results(study, plan.objectives, plan.space, plan.folder, loader)

        with register_worker(plan.folder) as worker:
            trials = Trials(study, plan.space, plan.folder, plan.num_trials, plan.jobs, worker)
            if (sweep := SESSION.get().sweep) is not None:
                sweep.conclude = conclude
            run(trials, launcher, plan)


def check_directories(study: optuna.Study, folder: Path) -> None:
    """Raises ValueError for a run that the study knows nothing of: a new trial would take it for its own."""
    numbers = {str(trial.number) for trial in study.get_trials(deepcopy=False)}
    strange = [path.parent for path in folder.glob("*/status.json") if path.parent.name not in numbers]
    if strange:
        raise ValueError(
            f"{min(strange)} is a run but not a trial of the study: was the study moved away? Put it back, or choose "
            "another hydra.sweep.dir"
        )


@final
class Plan:
    """What a command asks to be searched: ``hydra.sweeper``, read.

    Raises:
        HydraException: the configuration has no such key.
        ValueError: an option is wrong.
    """

    def __init__(self, options: Mapping[str, Any], config: DictConfig, space: Space, loader: Any) -> None:
        self.options, self.config, self.space = options, config, space
        self.folder = Path(config.hydra.sweep.dir).absolute()
        self.place = place_of(options["storage"], self.folder)
        self.plain: dict[str, Any] = {
            key: OmegaConf.to_container(option, resolve=True) if OmegaConf.is_config(option) else option
            for key, option in options.items()
        }
        monitor, mode = self._monitored(loader)
        self.objectives = read_objectives(self.plain["objectives"], self.plain["directions"], monitor, mode)
        workers = OmegaConf.select(config, "hydra.launcher.workers")
        self.jobs = _at_least_one("jobs", options["jobs"] or workers or 1)
        self.make_sampler = self._instantiate("sampler", _partial_=True)
        self.pruner = self._make_pruner()
        self.num_trials = _at_least_one("n_trials", options["n_trials"])
        if isinstance(self._call("sampler", lambda: self.make_sampler(seed=0)), Grid):
            self.num_trials = min(self.num_trials, Grid.size(space.distributions))

    def _monitored(self, loader: Any) -> tuple[str, str]:
        """What all trials monitor, and its mode; composes one for each option of each group."""
        corners = self.space.corners(lambda key: is_group(key, loader))
        composed = [loader.load_sweep_config(self.config, self.space.overrides(values)) for values in corners]
        first, *others = dict.fromkeys((trial.monitor, trial.mode) for trial in composed)
        if others and self.options["objectives"] is None:
            raise ValueError(
                f"some trials monitor {first[0]} ({first[1]}) and others {others[0][0]} ({others[0][1]}): name a curve "
                "that all have, such as hydra.sweeper.objectives=[val/elbo] hydra.sweeper.directions=[max]"
            )
        return first

    def _make_pruner(self) -> optuna.pruners.BasePruner:
        if self.options["pruner"] is None:
            return optuna.pruners.NopPruner()
        if len(self.objectives) > 1 or not self.objectives[0].is_curve:
            names = ", ".join(objective.name for objective in self.objectives)
            raise ValueError(
                f"a pruner judges one curve, such as val/elbo, but this search is by {names}: add "
                "hydra/sweeper/pruner=null, or search by one curve"
            )
        return self._instantiate("pruner")

    def _instantiate(self, name: str, **extra: Any) -> Any:
        return self._call(name, lambda: instantiate(self.options[name], _convert_="all", **extra))

    def _call(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` makes of the node of that name; its error with the name of the node."""
        try:
            return make()
        except Exception as error:
            cause = error.__cause__ or error
            raise ValueError(f"hydra.sweeper.{name} ({self.options[name].get('_target_')}): {cause}") from error

    @property
    def record(self) -> dict[str, Any]:
        """What a study is of: it must not change."""
        return {
            "parameters": self.space.ranges,
            "overrides": sorted(self.space.fixed),
            "objectives": [objective.name for objective in self.objectives],
            "directions": [DIRECTIONS[objective.mode] for objective in self.objectives],
            **{name: self.plain[name] for name in ("seed", "sampler", "pruner")},
            SPACE: self.space.to_json(),
        }

    def open(self) -> optuna.Study:
        """The study, begun or gone on with."""
        sampler = SeededSampler(self.make_sampler, self.options["seed"])
        return open_study(self.place, self.options["study"], self.folder, self.record, sampler, self.pruner)

    def rehearse(self) -> None:
        """Chooses once in a study that is kept nowhere: what a sampler refuses, it refuses now."""
        sampler = SeededSampler(self.make_sampler, self.options["seed"])
        with silence_optuna():
            study = optuna.create_study(directions=self.record["directions"], sampler=sampler)
            study.set_user_attr(SPACE, self.space.to_json())
            study.ask(fixed_distributions=self.space.distributions)


def run(trials: Trials, launcher: Launcher, plan: Plan) -> None:
    """Runs trials as long as there are any; raises ValueError where all fail, or some leave nothing."""
    while True:
        with explain_faults(plan.place):
            batch = trials.take()
        if not batch:
            check_traces(trials)
            return
        for row in split_into_rows(batch):
            launcher.launch([job.overrides for job in row], initial_job_idx=row[0].num)
        with explain_faults(plan.place):
            for job in batch:
                trials.settle(job, plan.objectives)
            check_hope(trials)


def check_hope(trials: Trials) -> None:
    """Raises ValueError where the first few trials have all failed."""
    failures = [state for state in trials.states().values() if state.state == "failed"]
    has_success = any(trial.state.is_finished() for trial in trials.study.get_trials(deepcopy=False))
    if len(failures) >= HOPELESS and not has_success:
        raise ValueError(f"the first {len(failures)} trials have all failed, the last with: {failures[-1].error}")


def check_traces(trials: Trials) -> None:
    """Raises ValueError where trials have left nothing in their directories: nothing else would tell."""
    if silent := [str(number) for number, state in trials.states().items() if state.state == "waiting"]:
        raise ValueError(
            f"trials {', '.join(silent)} have written nothing into {trials.folder} (a full disk, or killed before they "
            "began?): the same command tries them again"
        )


def _at_least_one(name: str, number: Any) -> int:
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"hydra.sweeper.{name}={number}: give a whole number, at least 1")
    return number
