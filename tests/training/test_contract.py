"""What a user's own model returns is checked by name, once, before it is differentiated or logged."""

import pytest
import torch
from tests.helpers import adam, fit, small_densities

from elbolab.models.base import ElboModule, Loss, Player, one_player
from elbolab.training import stepper


class Own(ElboModule):
    """A model whose methods return what a test gives them, and else what they should."""

    def __init__(self, **returned):
        super().__init__(densities=small_densities(), optimizer=adam())
        self.returned = returned

    def loss(self, batch):
        value = self.densities.terms(batch.x).rate.mean()
        return self.returned.get("loss", lambda value: Loss(value, {}))(value)

    def players(self):
        return self.returned.get("players", one_player)(self)

    def report(self, batch):
        return self.returned.get("report", lambda _: {"elbo": torch.zeros(())})(batch)


def player(model, parameters):
    return [Player(model.loss, parameters, model.optimizer)]


def two_players(model):
    other = Player(lambda batch: model.loss(batch).value, list(model.parameters()), model.optimizer, "critic")
    return [*one_player(model), other]


WRONG = {
    "a loss that is a tensor": ({"loss": lambda value: value}, r"Own.loss returned a Tensor: return Loss\(value"),
    "a loss of every datum": ({"loss": lambda value: Loss(value.expand(3), {})}, r"Own.loss: value has shape \(3,\)"),
    "a number": ({"loss": lambda value: Loss(value.item(), {})}, "Own.loss: value is a float.*without .item()"),
    "a loss without a gradient": ({"loss": lambda value: Loss(value.detach(), {})}, "Own.loss: value has no gradient"),
    "a number to log": ({"loss": lambda value: Loss(value, {"gamma": 1.0})}, "metrics of Own.loss: gamma is a float"),
    "nothing to log": ({"loss": lambda value: Loss(value, None)}, "metrics of Own.loss returned a NoneType.*a dict"),
    "the loss of a critic": ({"players": two_players}, "the loss of the player 'critic' returned a Tensor"),
    "one player": ({"players": lambda model: one_player(model)[0]}, "Own.players: the parameters|Own.players returned"),
    "no players": ({"players": lambda _: []}, "Own.players returned an empty list.*one_player"),
    "nobody": ({"players": lambda _: None}, "Own.players returned a NoneType: return a list of Player"),
    "modules": ({"players": lambda model: [model.densities]}, "Own.players returned a list with a Layer"),
    "parameters that are read once": (
        {"players": lambda model: player(model, model.parameters())},
        r"Own.players: the parameters of Own.loss are a generator.*trainable\(module\)",
    ),
    "no parameters": ({"players": lambda model: player(model, [])}, "parameters of Own.loss are an empty list"),
    "a report that is a tensor": ({"report": lambda _: torch.zeros(())}, "Own.report returned a Tensor: return a dict"),
    "a report of every datum": ({"report": lambda batch: {"error": batch.x.sum(1)}}, r"Own.report: error has shape"),
    "a report of numbers": ({"report": lambda _: {"error": 0.5}}, "Own.report: error is a float"),
    "a report without names": (
        {"report": lambda _: {0: torch.zeros(())}},
        "Own.report: the name 0 is a int",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_an_own_class_returns_is_named(case):
    returned, message = WRONG[case]
    with pytest.raises(TypeError, match=message):
        fit(Own(**returned), max_epochs=1)


def test_what_is_right_is_accepted():
    fit(Own(players=lambda model: tuple(one_player(model))), max_steps=2)


def test_losses_are_checked_at_the_first_batch_alone(monkeypatch):
    seen = []
    monkeypatch.setattr(stepper, "check_loss", lambda loss, player: seen.append(player.name))
    fit(Own(), max_steps=7)
    assert seen == [""]
