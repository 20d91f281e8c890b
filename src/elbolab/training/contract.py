"""What a model's own methods must return, said by name at the first batch: a user's class may return anything."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from elbolab.training.player import Loss, Player


def check_players(found: Any, model: nn.Module) -> list[Player]:
    """What ``players`` has returned; raises TypeError where it is no list of players with parameters."""
    source = f"{type(model).__name__}.players"
    if not isinstance(found, list | tuple) or not found:
        raise TypeError(f"{source} returned {_describe(found)}: return a list of Player, as one_player(self) does")
    for player in found:
        if not isinstance(player, Player):
            raise TypeError(f"{source} returned a list with {_describe(player)}: each of its elements is a Player")
        if not isinstance(player.parameters, list | tuple) or not player.parameters:
            raise TypeError(
                f"{source}: the parameters of {_name_loss(player)} are {_describe(player.parameters)}: give a list of "
                "them, as trainable(module) does"
            )
    return list(found)


def check_loss(found: Any, player: Player) -> None:
    """Raises TypeError where what a player's loss has returned cannot be differentiated and logged."""
    source = _name_loss(player)
    if not isinstance(found, Loss):
        raise TypeError(f"{source} returned {_describe(found)}: return Loss(value, {{name: scalar tensor}})")
    _check_scalars(found.metrics, f"the metrics of {source}")
    _check_scalars({"value": found.value}, source)
    if not found.value.requires_grad:
        raise TypeError(f"{source}: value has no gradient: compute it from the player's parameters, without no_grad")


def check_report(found: Any, model: nn.Module) -> None:
    """Raises TypeError where what ``report`` has returned cannot be averaged and logged."""
    _check_scalars(found, f"{type(model).__name__}.report")


def _check_scalars(found: Any, source: str) -> None:
    if not isinstance(found, Mapping):
        raise TypeError(f"{source} returned {_describe(found)}: return a dict of names to scalar tensors")
    for name, value in found.items():
        if not isinstance(name, str):
            raise TypeError(f"{source}: the name {name!r} is {_describe(name)}: give a str")
        if not isinstance(value, Tensor):
            raise TypeError(f"{source}: {name} is {_describe(value)}: give a tensor, without .item()")
        if value.dim() > 0:
            raise TypeError(f"{source}: {name} has shape {tuple(value.shape)}: give one number, .mean() over data")


def _name_loss(player: Player) -> str:
    """``Tight.loss``, or what the player is called where its loss is no method."""
    if inspect.ismethod(player.loss):
        return f"{type(player.loss.__self__).__name__}.{player.loss.__name__}"
    return f"the loss of the player {player.name!r}"


def _describe(found: Any) -> str:
    return "an empty list" if isinstance(found, list | tuple) and not found else f"a {type(found).__name__}"
