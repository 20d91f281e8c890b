"""Every YAML of conf/data builds its data set, with every option that this has and no other."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from elbolab.data.module import DataModule

CONF = Path(__file__).parents[2] / "conf" / "data"
NAMES = sorted(path.stem for path in CONF.glob("[!_]*.yaml"))


def options_of(name: str) -> dict:
    base, own = (yaml.safe_load((CONF / f"{file}.yaml").read_text()) for file in ("_base", name))
    assert own.pop("defaults") == ["_base", "_self_"]
    return base | {"seed": 0, "root": None} | own


@pytest.mark.parametrize("name", NAMES)
def test_it_builds_without_reading(name):
    options = options_of(name)
    module, _, kind = options.pop("_target_").rpartition(".")
    cls = getattr(import_module(module), kind)
    parameters = dict(inspect.signature(DataModule).parameters) | dict(inspect.signature(cls).parameters)
    assert set(options) == set(parameters) - {"base"}
    for key, value in options.items():
        default = parameters[key].default
        assert default is inspect.Parameter.empty or value == default, key
    assert isinstance(cls(**options), DataModule)


@pytest.mark.parametrize("name", NAMES)
def test_its_first_line_describes_it(name):
    first = (CONF / f"{name}.yaml").read_text().splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 20
