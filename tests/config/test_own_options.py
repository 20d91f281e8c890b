"""Files and classes of one's own that lack something: the message names the file and the fix."""

import pytest
from tests.shell import QUICK

MODELS = """
from elbolab.models.base import ElboModule, one_player


class Whole(ElboModule):
    def __init__(self, size, **base):
        super().__init__(**base)

    def loss(self, batch): ...

    def players(self):
        return one_player(self)

    def report(self, batch): ...


class TakesNoBase(Whole):
    def __init__(self, size):
        pass


class HandsNothingOn(Whole):
    def __init__(self, size, **base):
        super().__init__(size)


class CallsNothing(Whole):
    def __init__(self, size, **base):
        self.size = size


class ReportsNothing(Whole):
    report = ElboModule.report


class NoModel:
    def __init__(self, size, **base): ...
"""
COSTS = """
from elbolab.models.costs import Cost


class Whole(Cost):
    symbol, is_rate, additive = "w", False, True

    def forward(self, terms, batch, step):
        return terms.rate

    def check(self, terms): ...


class Nameless(Cost):
    additive, forward, check = True, Whole.forward, Whole.check


class ChecksNothing(Whole):
    check = Cost.check


class CallsNothing(Whole):
    def __init__(self, weight): ...


class NoCost:
    def __init__(self, weight): ...
"""
DATA = """
from elbolab.data.digits import Digits
from elbolab.data.module import DataModule


class CallsNothing(DataModule):
    def __init__(self, **base): ...

    def header(self): ...

    def load(self): ...


class NoData:
    def __init__(self, **base): ...
"""
MODEL = "# @package _global_\ndefaults: [_base]\nmodel: {{_target_: own_models.{}, size: 1}}\n"
COST = "# @package model.costs\nmine: {{_target_: own_costs.{}, weight: 1}}\n"
HAND_ON = ["let __init__ take **base", "super().__init__(**base)"]
WRONG = {
    "a model without a package": ("model", MODEL[21:].format("Whole"), ["begin the file with '# @package _global_'"]),
    "a model without the base": (
        "model",
        "# @package _global_\nmodel: {_target_: own_models.Whole, size: 1}\n",
        ["defaults: [_base]", "no monitor"],
    ),
    "a model that is no recipe": (
        "model",
        MODEL.format("Whole").replace("size", "_partial_: false, size"),
        ["leave out '_partial_: false'"],
    ),
    "a model without a class": (
        "model",
        "# @package _global_\ndefaults: [_base]\nmodel: {size: 1}\n",
        ["add the class of the model"],
    ),
    "a model without an argument": ("model", MODEL.format("Whole").replace(", size: 1", ""), ["needs 'size'"]),
    "a model that takes no base": ("model", MODEL.format("TakesNoBase"), HAND_ON),
    "a model that hands nothing on": ("model", MODEL.format("HandsNothingOn"), HAND_ON),
    "a model that calls nothing": ("model", MODEL.format("CallsNothing"), HAND_ON),
    "a model without a method": ("model", MODEL.format("ReportsNothing"), ["ReportsNothing", "report: write it"]),
    "a class that is no model": ("model", MODEL.format("NoModel"), ["derive the class", "ElboModule"]),
    "no YAML": ("model", MODEL.format("Whole") + " x: 1\n", ["line 4", "indentation"]),
    "a cost without a package": ("cost", COST[24:].format("Whole"), ["begin the file with '# @package model.costs'"]),
    "a cost without a name": (
        "cost",
        "# @package model.costs\n_target_: own_costs.Whole\nweight: 1\n",
        ["name the cost in its file"],
    ),
    "a cost without attributes": ("cost", COST.format("Nameless"), ["give the class symbol and is_rate"]),
    "a cost without a method": ("cost", COST.format("ChecksNothing"), ["ChecksNothing", "check: write it"]),
    "a cost that calls nothing": ("cost", COST.format("CallsNothing"), ["super().__init__(weight)"]),
    "a class that is no cost": ("cost", COST.format("NoCost"), ["derive the class", "costs.Cost"]),
    "a prior without a package": (
        "prior",
        "_target_: somewhere.Prior\n_partial_: true\n",
        ["begin the file with '# @package densities.prior'"],
    ),
    "a net that is no recipe": (
        "net",
        "# @package net\n_target_: elbolab.nets.mlp.MLP\nhidden: [3]\n",
        ["add the line '_partial_: true'"],
    ),
    "data that call nothing": ("data", "_target_: own_data.CallsNothing\n", HAND_ON),
    "a class that is no data": ("data", "_target_: own_data.NoData\n", ["derive the class", "DataModule"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_file_and_the_fix_are_named(name, shell):
    group, text, parts = WRONG[name]
    (shell.folder / group).mkdir()
    (shell.folder / group / "mine.yaml").write_text(text)
    for module, source in (("own_models", MODELS), ("own_costs", COSTS), ("own_data", DATA)):
        (shell.folder / f"{module}.py").write_text(source)
    chosen = f"{group}=[mine]" if group == "cost" else f"{group}=mine"
    quick = [word for word in QUICK if group != "data" or "data." not in word]
    err = shell("train", "--config-dir=.", *quick, chosen, fails=True)
    message = err.splitlines()[-1]
    assert message.startswith("error: ")
    assert [part for part in [f"{group}/mine.yaml", *parts] if part not in message] == []
    assert not (shell.folder / "outputs").exists()


def test_a_model_may_lie_in_its_own_package(shell):
    """Without ``# @package _global_`` the keys of a file in model/ are those of the model."""
    (shell.folder / "model").mkdir()
    (shell.folder / "model" / "mine.yaml").write_text("defaults: [vae]\n_target_: elbolab.models.vae.VAE\n")
    shell("train", "--config-dir=.", *QUICK, "model=mine", "--cfg", "job")
