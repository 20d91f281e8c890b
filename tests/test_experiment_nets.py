"""Every experiment with every net."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict
from tests.test_configs import CONF, composed, hydra, options  # noqa: F401 -- a fixture for every test

from elbolab.common.refusal import Refusal
from elbolab.config.build import build_data, build_densities
from elbolab.runs.stages import build_stages
from elbolab.stages.planning import plan_stages


@pytest.fixture(scope="module")
def nets():
    """Every net, composed once: with every experiment it would take minutes."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return {name: compose("train", [f"net={name}"]).net for name in options("net")}


@pytest.fixture(scope="module")
def built():
    """Densities that were built with every net: experiments of one paper often have the same."""
    return set()


UNFIT = {
    "cmma/dsprites": {"constant"},  # its prior must read the attributes
    "mescheder2017/four_points": {"conv", "locatello2019", "resnet"},  # images of 2 x 2
}
"""Nets that an experiment refuses."""


@pytest.mark.slow
@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_builds_with_every_net(experiment, nets, built):
    cfg = composed(f"experiment={experiment}", "scale=reduced")
    spec = build_data(cfg).spec
    stages = build_stages(plan_stages(cfg, spec))
    content = (OmegaConf.to_yaml(cfg.densities), spec, *stages)
    for name, net in nets.items() if content not in built else ():
        with open_dict(cfg):
            cfg.net = net
        if name in UNFIT.get(experiment, ()):
            with pytest.raises(Refusal):
                build_densities(cfg, spec, **stages)
            continue
        try:
            build_densities(cfg, spec, **stages)
        except Exception as error:
            raise AssertionError(f"net={name}") from error
    built.add(content)
