"""The interface of a model in training: its loss, its validation report, and the players that take steps."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch, Shape
from elbolab.training.module import BlockModule
from elbolab.training.player import Loss, Player, trainable

__all__ = ["ElboModule", "Loss", "Player"]


class ElboModule(BlockModule, ABC):
    """A model in training, of ``self.densities``, at ``self.step``; its options are those of `BlockModule`.

    Attributes:
        takes: the types of training batches that the losses accept: `Batch`, `Semi` or both.
    """

    takes: tuple[type, ...] = (Batch,)

    @abstractmethod
    def loss(self, batch: Any) -> Loss:
        """The training objective on one batch, a cost averaged over data. Safe to capture: no host sync."""

    @override
    @abstractmethod
    def report(self, batch: Any) -> dict[str, Tensor]:
        """What validation logs, averaged over the batch: an ELBO, where there is one, at beta = 1 with hard draws."""

    @override
    @abstractmethod
    def players(self) -> list[Player]:
        """The players that take a step on every batch, in order; most models return `one_player`."""


def one_player(model: ElboModule) -> list[Player]:
    """One player that moves every parameter of the model by its loss."""
    return [Player(model.loss, trainable(model), model.optimizer)]


def draws_shape(option: str, num: int) -> Shape:
    """The sample dimensions of ``num`` draws: none for one. Raises ValueError below 1, naming the model's option."""
    if num < 1:
        raise ValueError(f"model.{option}={num}: a bound needs at least one draw")
    return () if num == 1 else (num,)
