"""Pruning from inside a training trial, in whatever process a launcher has put the trial."""

import logging
from functools import cached_property
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

PRUNED = "pruned_at"  # attribute of a pruned trial: the validation after which it was to end


def build_pruning(folder: Path, monitor: str) -> list[Prune]:
    """The callback that ends a trial early, where the run in ``folder`` is a trial of a search that prunes.

    The quantity that the run monitors judges it, unless the search names an objective.
    """
    if not HydraConfig.initialized():
        return []
    hydra = HydraConfig.get()
    sweeper, folder = hydra.sweeper, folder.absolute()
    is_job = hydra.mode is RunMode.MULTIRUN and Path(hydra.runtime.output_dir).absolute() == folder
    if not is_job or "pruner" not in sweeper or sweeper.pruner is None:
        return []
    (curve,) = sweeper.objectives or [monitor]
    return [Prune(curve, Judge(sweeper, folder.parent, int(folder.name)))]


@final
class Judge:
    """Asks the study after every validation whether a trial should end.

    A study that does not answer is no reason to end a training: it goes on without being judged.
    """

    def __init__(self, sweeper: DictConfig, folder: Path, number: int) -> None:
        self.sweeper, self.folder, self.number = sweeper, folder, number

    def __call__(self, validation: int, value: float | None) -> bool:
        """Whether the trial should end after so many validations; ``value`` is the curve's, None to ask again."""
        from elbolab.search.study import explain_faults, place_of, silence_optuna

        place = place_of(self.sweeper.storage, self.folder)
        try:
            with silence_optuna(), explain_faults(place):
                return self._ask(validation, value)
        except ValueError as error:
            log.warning("%s; the trial goes on without pruning", error)
            return False

    def _ask(self, validation: int, value: float | None) -> bool:
        study, storage, trial_id = self._trial
        trial = storage.get_trial(trial_id)
        if trial.state.is_finished():
            return False
        if value is not None and validation not in trial.intermediate_values:
            storage.set_trial_intermediate_value(trial_id, validation, value)
            trial = storage.get_trial(trial_id)
        if PRUNED in trial.user_attrs:
            return validation >= trial.user_attrs[PRUNED]
        if validation != trial.last_step or not study.pruner.prune(study, trial):
            return False  # it goes on from before the last validation, and was judged there
        storage.set_trial_user_attr(trial_id, PRUNED, validation)
        return True

    @cached_property
    def _trial(self) -> "tuple[optuna.Study, optuna.storages.BaseStorage, int]":
        """The study, its storage, which takes values for trials of other processes, and the trial's id there."""
        import optuna

        from elbolab.search.study import connect, place_of

        storage = connect(place_of(self.sweeper.storage, self.folder))
        pruner = instantiate(self.sweeper.pruner, _convert_="all")
        study = optuna.load_study(study_name=self.sweeper.study, storage=storage, pruner=pruner)
        study_id = storage.get_study_id_from_name(study.study_name)
        return study, storage, storage.get_trial_id_from_study_id_trial_number(study_id, self.number)
