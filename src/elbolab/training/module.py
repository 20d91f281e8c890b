"""The LightningModule that trains whatever players there are: hooks, validation, checkpoints.

All optimisation is manual, in blocks: one `training_step` takes K optimiser steps, so that Lightning's cost, logging
and bookkeeping are paid once a block. Results do not depend on K.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from math import isfinite
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.distributed import all_gather_object, all_reduce, broadcast
from torch.optim import Optimizer
from typing_extensions import override

from elbolab.common.rng import isolated_rng, restore_rng, rng_state, seed_device, seed_of, training_generator
from elbolab.data.blocks import Block, repace_checkpoint
from elbolab.densities.base import Densities
from elbolab.training.contract import check_players, check_report
from elbolab.training.ema import Ema, averaged, running_statistics
from elbolab.training.engine import choose_engine
from elbolab.training.guard import Guard, LossNotFinite, ValidationNotFinite, check_guard
from elbolab.training.player import Player
from elbolab.training.scales import NUM_FIT, fit_scales
from elbolab.training.schedules import Length, Observing, Schedule
from elbolab.training.stepper import Stepper
from elbolab.training.trainer import count
from elbolab.training.trees import size_of

NUM_START = 1_000
"""Training data, at most, that a model is shown before its first step."""


class BlockModule(L.LightningModule, ABC):
    """A model in training; `elbolab.models.base.ElboModule` is what variants are.

    Args:
        densities: what the model is; a variant reads it, evaluation too.
        optimizer: parameters -> optimiser.
        schedule: factor on the learning rate at every step; None keeps it constant.
        clip_norm, skip_norm, skip_patience, accumulate: see `Guard`.
        ema: decay of the weight average that is validated and saved in the place of the weights; None: none.
        monitor: the logged validation quantity that `Observing` schedules are shown.
        mode: ``"max"`` or ``"min"``: which way it improves.

    Attributes:
        step: optimiser steps taken, an int64 buffer: what schedules read.
        fitted_at: the step at which scales were last fitted, see `elbolab.training.scales`.
    """

    automatic_optimization = False
    step: Tensor
    fitted_at: Tensor

    def __init__(
        self,
        densities: Densities,
        optimizer: Callable[[list[nn.Parameter]], Optimizer],
        schedule: Schedule | None = None,
        clip_norm: float | None = None,
        skip_norm: float | None = None,
        skip_patience: int = 10,
        accumulate: int = 1,
        ema: float | None = None,
        monitor: str = "val/elbo",
        mode: str = "max",
    ) -> None:
        super().__init__()
        self.densities = densities
        self.optimizer, self.schedule = optimizer, schedule
        self.guard = check_guard(Guard(clip_norm, skip_norm, skip_patience, accumulate))
        self.ema = None if ema is None else Ema(averaged(densities), ema)
        self.register_buffer("step", torch.tensor(0))
        self.register_buffer("fitted_at", torch.tensor(-1), persistent=False)
        if mode not in ("min", "max"):
            raise ValueError(f"mode={mode}: the monitored quantity improves towards min or max")
        self.monitor, self.sign = monitor, 1 if mode == "min" else -1
        self.autocast: torch.dtype | None = None
        self.engine = "auto"
        self._restored: list[dict[str, Tensor]] | None = None
        self._run: Length | None = None
        self._seed = torch.initial_seed()
        self._stepper: Stepper | None = None
        self._validation = ExitStack()
        self._sums: dict[str, Tensor] = {}

    @abstractmethod
    def players(self) -> list[Player]:
        """Who steps on every batch, in order."""

    @abstractmethod
    def report(self, batch: Any) -> dict[str, Tensor]:
        """What validation logs, averaged over the batch."""

    # -- training -----------------------------------------------------------------------------------------------------

    @override
    def configure_optimizers(self) -> list[Optimizer]:
        try:
            return [player.optimizer(player.parameters) for player in check_players(self.players(), self)]
        except ValueError as error:  # torch names its argument, not ours
            raise ValueError(f"optimizer: {error}") from error

    @override
    def on_fit_start(self) -> None:
        self._stepper = None  # belongs to one fit
        self._validation.close()  # one that an error has cut short gives back what it put aside
        if self._restored is None:
            self._run = None

    @override
    def on_fit_end(self) -> None:
        self._stepper = None  # with what captured steps keep on the device

    @override
    def on_train_start(self) -> None:
        self._run = self._run or self._length()
        for schedule in self._schedules():
            schedule.bind(self._run)
        if self._restored is not None:
            restore_rng(self._restored[self.global_rank], self.device)
            self._restored = None
            return
        # apart from the noise of the initial weights, of other ranks and of neighbouring seeds
        torch.manual_seed(training_generator(self._seed, self.global_rank).initial_seed())
        if int(self.step) == 0:
            data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
            some = next(iter(data.spread(NUM_START, self.device)))
            self.densities.initialise(some, data.train_mean().to(self.device))
            if self.ema is not None:
                self.ema.copy(averaged(self.densities), self.ema.shadow())

    def training_step(self, block: Block, _: int) -> None:
        """Takes the block's steps, fewer when the run ends within it.

        Raises:
            NotFinite: a loss is not finite, or its gradient has not been for too long.
        """
        first = self.trainer.global_step
        if self.trainer.max_steps > 0:
            block.truncate(self.trainer.max_steps - first)
        self._stepper = self._stepper or self._make_stepper()
        try:
            metrics = self._stepper.run(block)
        except LossNotFinite as error:
            raise error.after(first) from None
        count(self.trainer, len(block))
        self.log_dict({f"train/{k}": v for k, v in metrics.items()}, batch_size=1, prog_bar=True)

    def _make_stepper(self) -> Stepper:
        """In the first training step, after any restore: loading replaces optimiser tensors."""
        held = self.optimizers(use_pl_optimizer=False)
        optimizers = held if isinstance(held, list) else [held]
        world = self.trainer.world_size
        return Stepper(
            self.players(),
            optimizers,
            step=self.step,
            schedule=self.schedule,
            guard=self.guard,
            ema=None if self.ema is None else (self.ema, averaged(self.densities)),
            world=world,
            autocast=self.autocast,
            engine=choose_engine(self.engine, self, self.device, optimizers, world),
        )

    def _schedules(self) -> list[Schedule]:
        return [module for module in self.modules() if isinstance(module, Schedule)]

    def _length(self) -> Length:
        epoch = self.trainer.datamodule.steps_per_epoch  # type: ignore[attr-defined]
        ends = [self.trainer.max_steps] if self.trainer.max_steps > 0 else []
        if self.trainer.max_epochs is not None and self.trainer.max_epochs > 0:
            ends.append(self.trainer.max_epochs * epoch)
        return Length(epoch, min(ends) if ends else None)

    # -- validation ---------------------------------------------------------------------------------------------------

    @override
    def on_validation_epoch_start(self) -> None:  # `on_validation_epoch_end` gives back what is set aside
        self._sums = {}
        self._settle_buffers()
        self._validation.enter_context(isolated_rng(self.device))
        if self.ema is not None:
            self._validation.enter_context(self.ema.applied(averaged(self.densities)))

    def validation_step(self, block: Block, _: int) -> None:
        """Sums the report over data; every batch has its own noise, the same on any number of ranks."""
        try:
            for position, batch in zip(block.positions, block, strict=True):
                seed_device(self.device, seed_of("validation", position))
                size, report = size_of(batch), self.report(batch)
                if not self._sums:
                    check_report(report, self)
                row = {name: mean.double() * size for name, mean in report.items()}
                row["size"] = torch.tensor(float(size), dtype=torch.float64, device=self.device)
                self._sums = {name: self._sums[name] + value if self._sums else value for name, value in row.items()}
        except BaseException:
            self._validation.close()
            raise

    def _settle_buffers(self) -> None:
        """The same buffers on every rank, and scales fitted to the weights: what is validated and saved is one model.

        Running statistics are averaged over ranks, as gradients are; of other buffers all ranks take rank 0's.
        """
        world = self.trainer.world_size
        if world > 1:
            statistics = {id(buffer) for buffer in running_statistics(self.densities)}
            for buffer in self.densities.buffers():
                if id(buffer) in statistics:
                    all_reduce(buffer)
                    buffer.div_(world)
                else:
                    broadcast(buffer, src=0)
        if self.trainer.state.fn != "fit" or torch.equal(self.fitted_at, self.step):
            return
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        with ExitStack() as stack:
            stack.enter_context(isolated_rng(self.device, seed_of("scales", self.global_rank)))
            if self.ema is not None:
                stack.enter_context(self.ema.applied(averaged(self.densities)))
            fit_scales(self.densities, data.spread(NUM_FIT, self.device, world, self.global_rank), world)
        self.fitted_at.copy_(self.step)

    def on_validation_epoch_end(self) -> None:
        """Logs the means over all data of all ranks, and shows the monitored cost to schedules that ask for it.

        Raises:
            ValidationNotFinite: a mean is not finite.
            ValueError: what is to be monitored is not reported.
        """
        self._validation.close()
        names, sums = list(self._sums), torch.stack(list(self._sums.values()))
        if self.trainer.world_size > 1:
            all_reduce(sums)
        means = dict(zip(names, (sums / sums[names.index("size")]).tolist(), strict=True))
        del means["size"]
        if not all(map(isfinite, means.values())):
            wrong = ", ".join(f"{name}={mean:g}" for name, mean in means.items() if not isfinite(mean))
            raise ValidationNotFinite(f"in the validation after step {self.trainer.global_step}: {wrong}")
        logged = {f"val/{name}": mean for name, mean in means.items()}
        self.log_dict(logged, prog_bar=True, sync_dist=True)  # equal on every rank already; it spares a warning
        if self.trainer.state.fn != "fit" or self.trainer.sanity_checking:
            return
        for schedule in self._schedules():
            if isinstance(schedule, Observing):
                if self.monitor not in logged:
                    raise ValueError(f"monitor={self.monitor} is not reported: choose one of {', '.join(logged)}")
                schedule.observe(torch.tensor(self.sign * logged[self.monitor], device=self.device))

    # -- checkpoints --------------------------------------------------------------------------------------------------

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._settle_buffers()
        checkpoint["length"] = tuple(self._run) if self._run is not None else None
        state = rng_state(self.device)
        checkpoint["rng"] = [state] * self.trainer.world_size
        if self.trainer.world_size > 1:
            all_gather_object(checkpoint["rng"], state)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the random state until training starts; recounts blocks where K has changed.

        Raises:
            ValueError: the checkpoint was written by another number of ranks.
        """
        world, saved = self.trainer.world_size, len(checkpoint["rng"])
        if saved != world:
            way_on = f"resume with trainer.devices={saved}"
            raise ValueError(f"this run was saved by {saved} process(es) and cannot go on exactly on {world}: {way_on}")
        self._restored = checkpoint["rng"]
        self._run = None if checkpoint["length"] is None else Length(*checkpoint["length"])
        repace_checkpoint(checkpoint, self.trainer.datamodule.pace.block)  # type: ignore[attr-defined]
