"""An end to a run of a search that others have left behind."""

from collections.abc import Callable
from typing import Any, final

import lightning as L
from typing_extensions import override


@final
class Prune(L.Callback):
    """Tells a judge of every validation, and ends the training when it says so.

    The number of validations is part of a checkpoint, so that a resumed run tells of each under its own number. List
    it before the checkpoints.

    Args:
        monitor: the curve that is judged.
        judge: (number of validations, value or None to ask again) -> whether the run should end; asked on rank zero.
    """

    def __init__(self, monitor: str, judge: Callable[[int, float | None], bool]) -> None:
        self.monitor, self.judge = monitor, judge
        self.validations = 0
        self.pruned = False

    @override
    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """On resume, repeats the question of the last validation: the run may have been killed before the answer."""
        if self.validations:
            self._ask(trainer, None)

    @override
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Asks, outside the sanity check.

        Raises:
            ValueError: the model does not report the curve.
        """
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        if self.monitor not in trainer.callback_metrics:
            known = " or ".join(name for name in trainer.callback_metrics if name.startswith("val/"))
            raise ValueError(f"hydra.sweeper.objectives: this model reports no {self.monitor}; choose {known}")
        self.validations += 1
        self._ask(trainer, float(trainer.callback_metrics[self.monitor]))

    def _ask(self, trainer: L.Trainer, value: float | None) -> None:
        verdict = self.judge(self.validations, value) if trainer.is_global_zero else False
        self.pruned = trainer.strategy.broadcast(verdict)
        if self.pruned:
            trainer.should_stop = True

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"validations": self.validations}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.validations = state_dict["validations"]


def was_pruned(trainer: L.Trainer) -> bool:
    """Whether a judge has ended this trainer's run."""
    return any(callback.pruned for callback in trainer.callbacks if isinstance(callback, Prune))  # type: ignore[attr-defined]
