"""The options of a search compose, and make what Optuna takes."""

from pathlib import Path

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from elbolab.config.build import make
from elbolab.config.paths import config_dir

CONF = Path(config_dir())


@pytest.fixture(autouse=True)
def hydra():
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def test_every_sampler_and_pruner_is_made():
    for group, extra in (("sampler", {"_partial_": True}), ("pruner", {})):
        for path in CONF.glob(f"hydra/sweeper/{group}/*.yaml"):
            made = make(OmegaConf.load(path), **extra)
            kind = optuna.samplers.BaseSampler if group == "sampler" else optuna.pruners.BasePruner
            assert isinstance(made(seed=0) if extra else made, kind), path


def test_a_search_is_composed_with_its_sampler_and_pruner():
    words = ["search=vae", "hydra/sweeper/sampler=cmaes", "hydra/sweeper/pruner=hyperband"]
    sweeper = compose("train", words, return_hydra_config=True).hydra.sweeper
    assert sweeper.sampler._target_.endswith("CmaEsSampler")
    assert sweeper.pruner._target_.endswith("HyperbandPruner")
    assert sweeper.n_trials == 30
