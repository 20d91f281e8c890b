"""Pruning from inside a training trial, in whatever process a launcher has put the trial."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, final

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig

from elbolab.callbacks.prune import Prune

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

PRUNED = "pruned_at"
"""Attribute of a pruned trial: the validation after which the trial was to end."""


def pruning_of(folder: Path, monitor: str) -> list[Prune]:
    """The callback that ends a trial early, where the run in ``folder`` is a trial of a search that prunes.

    Args:
        folder: directory of a run.
        monitor: the quantity that the run monitors, which judges it unless the search names an objective.
    """
    if not HydraConfig.initialized():
        return []
    hydra = HydraConfig.get()
    sweeper = hydra.sweeper
    is_job = hydra.mode is RunMode.MULTIRUN and Path(hydra.runtime.output_dir).absolute() == folder.absolute()
    if not is_job or "pruner" not in sweeper or sweeper.pruner is None:
        return []
    (curve,) = sweeper.objectives or [monitor]
    return [Prune(curve, Judge(sweeper, folder.absolute().parent, int(folder.name)))]


@final
class Judge:
    """The study's word on a trial, asked for after every validation.

    A study that does not answer is no reason to end a training: it goes on without being judged.

    Args:
        sweeper: ``hydra.sweeper``.
        folder: the sweep's directory.
        number: the trial's.
    """

    def __init__(self, sweeper: DictConfig, folder: Path, number: int) -> None:
        self.sweeper, self.folder, self.number = sweeper, folder, number
        self._study: optuna.Study | None = None

    def __call__(self, validation: int, value: float | None) -> bool:
        """Whether the trial should end.

        Args:
            validation: how many there have been; what has been told of one is not told again.
            value: of the curve, None to ask again.
        """
        from elbolab.search.study import place_of, quiet, reaching

        place = place_of(self.sweeper.storage, self.folder)
        try:
            with quiet(), reaching(place):
                return self._ask(place, validation, value)
        except ValueError as error:
            log.warning("%s; the trial goes on unjudged", error)
            return False

    def _ask(self, place: str, validation: int, value: float | None) -> bool:
        study = self._study or self._load(place)
        trial = self._storage.get_trial(self._id)
        if trial.state.is_finished():
            return False
        if value is not None and validation not in trial.intermediate_values:
            self._storage.set_trial_intermediate_value(self._id, validation, value)
            trial = self._storage.get_trial(self._id)
        if PRUNED in trial.user_attrs:
            return validation >= trial.user_attrs[PRUNED]
        if validation != trial.last_step or not study.pruner.prune(study, trial):
            return False  # it goes on from before the last validation, and was judged there
        self._storage.set_trial_user_attr(self._id, PRUNED, validation)
        return True

    def _load(self, place: str) -> "optuna.Study":
        """Loads the study, and keeps its storage, which accepts values for a trial that another process has begun."""
        import optuna

        from elbolab.search.study import connected

        self._storage, pruner = connected(place), instantiate(self.sweeper.pruner, _convert_="all")
        study = optuna.load_study(study_name=self.sweeper.study, storage=self._storage, pruner=pruner)
        number = self._storage.get_study_id_from_name(study.study_name)
        self._id = self._storage.get_trial_id_from_study_id_trial_number(number, self.number)
        self._study = study
        return study
