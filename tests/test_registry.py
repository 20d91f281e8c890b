"""Registries are complete: a class that is in none of them, and so without the contracts, is named here."""

import inspect
import re
from abc import ABC, abstractmethod
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
import torch
from tests.densities.registry import DENSITIES
from tests.distributions.registry import (
    BOXES,
    CORRUPTIONS,
    FAMILIES,
    FAMILIES_WITHOUT_DENSITY,
    NEED_PARENTS,
    POSTERIORS,
    PRIORS,
    SPHERES,
)
from tests.evaluation.registry import ON_DEMAND, measures_of
from tests.helpers import mlp
from tests.models.registry import VARIANTS, make
from tests.training.test_schedules import SCHEDULES
from torch.distributions import Distribution

import elbolab
from elbolab.benchmark.cases import Held
from elbolab.data.given import Given, choose_given
from elbolab.data.module import DataModule
from elbolab.densities.base import Densities
from elbolab.distributions.conditional import Conditional, Head
from elbolab.distributions.data_units import InDataUnits
from elbolab.distributions.family import Family
from elbolab.distributions.flow import Steps
from elbolab.distributions.location_scale import OptimalNormal
from elbolab.evaluation.measure import Measure
from elbolab.models.base import ElboModule
from elbolab.models.costs import Cost
from elbolab.models.rae import Regulariser
from elbolab.training.schedules import Schedule

ROOT = Path(__file__).parents[1]
LOOKED_AT = "batch|common|data|densities|distributions|evaluation|metrics|models|nets|training"


@pytest.fixture(scope="module", autouse=True)
def _everything_is_imported():
    """A subclass exists when its module is imported."""
    for module in walk_packages(elbolab.__path__, "elbolab."):
        if re.match(rf"elbolab\.({LOOKED_AT})\b", module.name):
            import_module(module.name)


def subclasses(base):
    """All of them, however deep, of elbolab's own that are final and public."""
    for cls in base.__subclasses__():
        if cls.__module__.startswith("elbolab.") and not inspect.isabstract(cls) and is_final(cls):
            yield cls
        yield from subclasses(cls)


def is_final(cls):
    return vars(cls).get("__final__", False) and not cls.__name__.startswith("_")


def parts(modules):
    """The classes of modules and of all that they consist of."""
    return {type(part) for module in modules for part in module.modules()}


def built(recipes, event):
    return [recipe(((6,), (3,)), event) for recipe in recipes]


def priors():
    return [recipe(((3,),), event) for recipe, event in PRIORS.values()]


def families():
    recipes = [recipe for recipe, _ in FAMILIES.values()]
    return [
        recipe((3,)) for recipe in [*recipes, *BOXES.values(), *SPHERES.values(), *FAMILIES_WITHOUT_DENSITY.values()]
    ]


def distributions():
    """What families, priors and posteriors return in both modes, and what that is made of."""
    for training in (True, False):
        yield from (family.train(training)(torch.zeros(2, *family.out_shape)) for family in families())
        yield from (prior(torch.eye(3)) for prior in priors())
        yield from (recipe((), event)() for name, (recipe, event) in PRIORS.items() if name not in NEED_PARENTS)
        for posterior in built(POSTERIORS.values(), (4,)):
            yield posterior.train(training)(torch.zeros(3, 6), torch.eye(3))
    yield DENSITIES["vamp"]().prior()
    fitted = Head(((2,),), (4,), mlp(5), partial(OptimalNormal, min_scale=0.1))
    yield InDataUnits(fitted, log_scale=3.0)(torch.zeros(3, 2))


def kinds_of(p):
    return {type(p)} | (kinds_of(p.base_dist) if isinstance(p, torch.distributions.Independent) else set())


COMPLETE = {
    Densities: lambda: {type(build()) for build in DENSITIES.values()},
    Family: lambda: parts(families()),
    Steps: lambda: parts([*families(), *priors()]),
    Conditional: lambda: parts(
        [*priors(), *built(POSTERIORS.values(), (4,)), *(build() for build in DENSITIES.values())]
    ),
    Distribution: lambda: set().union(*map(kinds_of, distributions())),
    ElboModule: lambda: {type(make(name)) for name in VARIANTS},
    Cost: lambda: set(targets("cost")),
    Regulariser: lambda: set(targets("regulariser")),
    Measure: lambda: {type(measure) for measure in (measures_of() | ON_DEMAND).values()},
    Schedule: lambda: {type(build()) for build in SCHEDULES.values()},
    Given: lambda: {type(choose_given(name, 1 if name == "quadrants" else None)) for name in given_names()},
    DataModule: lambda: {Held}.union(targets("data")),  # Held: of the benchmark, which no YAML names
}


def given_names():
    return [*re.findall(r"\w+", str(refusal(choose_given, "?", None)).partition("choose")[2])]


def refusal(function, *args):
    with pytest.raises(ValueError, match="choose") as error:
        function(*args)
    return error.value


def targets(group):
    """The classes that the YAML files of a group name."""
    for path in sorted((ROOT / "conf" / group).glob("*.yaml")):
        for name in re.findall(r"_target_: (elbolab\.[\w.]+)", path.read_text()):
            module, _, attribute = name.rpartition(".")
            yield getattr(import_module(module), attribute)


@pytest.mark.parametrize("base", COMPLETE, ids=lambda base: base.__name__)
def test_every_final_class_is_in_a_registry(base):
    missing = set(subclasses(base)) - COMPLETE[base]()
    assert not missing, f"add {', '.join(sorted(cls.__name__ for cls in missing))} to the registry of its folder"


def test_every_corruption_is_in_the_registry():
    assert set(targets("corruption")) == {recipe.func for recipe in CORRUPTIONS.values()}


def test_a_final_class_is_found_however_deep_it_is():
    """An abstract one, a private one and one of somebody else's are none."""

    class Base(ABC):
        @abstractmethod
        def value(self): ...

    def below(name, base, **body):
        return type(name, (base,), {"__module__": "elbolab.new", "__final__": True, **body})

    between = below("Between", Base)
    found = below("New", between, value=None)
    below("_Hidden", between, value=None)
    below("Foreign", between, value=None, __module__="other")
    below("Open", between, value=None, __final__=False)
    assert list(subclasses(Base)) == [found]


def test_every_measure_can_be_chosen_and_is():
    measures = {type(measure) for measure in (measures_of() | ON_DEMAND).values()}
    assert set(targets("evaluation/measure")) == measures
    chosen = re.findall(r"measure@measures\.(\w+): (\w+)", (ROOT / "conf/evaluation/default.yaml").read_text())
    assert {name for name, _ in chosen} == {file for _, file in chosen} == measures_of().keys()
    assert {path.stem for path in (ROOT / "conf/evaluation/measure").glob("*.yaml")} == (
        measures_of() | ON_DEMAND
    ).keys()


def test_every_cost_that_can_be_chosen_is_one_of_a_variant():
    costs = {type(part) for name in VARIANTS for part in make(name).modules() if isinstance(part, Cost)}
    assert costs == set(targets("cost"))


def test_every_model_that_can_be_chosen_is_a_variant():
    models = {target for target in targets("model") if inspect.isclass(target) and issubclass(target, ElboModule)}
    assert models == {type(make(name)) for name in VARIANTS}
