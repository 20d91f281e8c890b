"""What is said of a training that diverged names what is not finite, and options that exist."""

import re
from functools import partial

import numpy as np
import pytest
from hydra import compose
from omegaconf import OmegaConf

from elbolab.batch import Scaling, Spec, Support
from elbolab.cli.divergence import describe_remedy
from elbolab.config.listing import read_choices
from elbolab.config.paths import config_dir
from elbolab.reading.splits import Arrays, Splits
from elbolab.training.guard import GradientNotFinite, LossNotFinite, ValidationNotFinite, WeightNotFinite

REAL = Spec((6,), Support.REAL)
GOOD = np.random.default_rng(0).normal(size=(50, 6))
FAR = np.where(np.arange(6) == 2, 1e6, 1) * GOOD
PARTS = ("loss", "elbo", "rate", "distortion")
BEFORE = {"loss": 20.0, "elbo": -20.0, "rate": 1.0, "distortion": 19.0}
later = partial(LossNotFinite, 700)
rates = "model.critic_optimizer.lr and model.generator_optimizer.lr"

CASES = {
    "data of large scale": (
        LossNotFinite(1, PARTS, {}),
        [],
        (FAR, FAR),
        "deviations from .*e[+]0[56]; standardise them: data.standardise=true$",
    ),
    "the first step": (LossNotFinite(1, PARTS, {}), [], (GOOD, GOOD), "net.init.*where it is your own"),
    "a later step": (
        later(PARTS, BEFORE),
        [],
        (GOOD, GOOD),
        r"^Lower optimizer.lr \(now 0.001\), clip .*clip_norm=1\) or leave .*skip_norm=1000\)$",
    ),
    "a later step, clipped": (
        later(PARTS, BEFORE),
        ["model.clip_norm=1"],
        (GOOD, GOOD),
        r"^Lower optimizer.lr \(now 0.001\) or leave wild steps out",
    ),
    "coarse numbers": (
        later(PARTS, BEFORE),
        ["trainer.precision=bf16-mixed"],
        (GOOD, GOOD),
        "^Lower optimizer.lr .*trainer.precision=32-true",
    ),
    "a scale that falls to 0": (
        later(PARTS, BEFORE | {"distortion": -40.0}),
        [],
        (GOOD, GOOD),
        "distortion -40.*likelihood=gaussian_optimal",
    ),
    "a loss of one's own": (later(("loss",), BEFORE), [], (GOOD, GOOD), "elbo, rate, distortion are: .*your own"),
    "a critic": (
        later(("critic_loss", "generator_loss"), {"loss": 3.0, "critic_loss": 1.0}),
        ["model=aae"],
        (GOOD, GOOD),
        f"critic_loss and generator_loss: lower {rates}; model.gradient_penalty=10",
    ),
    "all players": (later(("loss", "critic_loss"), {"loss": 3.0}), ["model=aae"], (GOOD, GOOD), "^Lower optimizer.lr"),
    "a gradient that is never finite again": (
        GradientNotFinite(),
        ["model.skip_norm=1"],
        (GOOD, GOOD),
        "^Lower optimizer.lr.*[+]trainer.detect_anomaly=true",
    ),
    "a gradient": (WeightNotFinite(), [], (GOOD, GOOD), "skip_norm=1000 leaves.*[+]trainer.detect_anomaly=true"),
    "an outlier of the validation data": (
        ValidationNotFinite(),
        [],
        (GOOD, FAR),
        "^The validation data reach from -.*e[+]06 to",
    ),
    "a weight average": (ValidationNotFinite(), ["model.ema=0.99"], (GOOD, GOOD), "^Training was.*; model.ema=null"),
}


def remedy_of(loader_of_configs, case):
    error, overrides, (train, val), expected = CASES[case]
    cfg = compose("train", [*overrides, "data=arrays", "data.path=x.npz"])
    splits = Splits(Arrays(train), Arrays(val), Arrays(val))
    return describe_remedy(error, cfg, REAL, splits, {}), expected, cfg


@pytest.mark.parametrize("case", CASES)
def test_the_remedy_depends_on_what_has_diverged(loader, case):
    text, expected, _ = remedy_of(loader, case)
    assert re.search(expected, text), text


@pytest.mark.parametrize("case", CASES)
def test_every_option_that_is_named_exists(loader, case):
    text, _, cfg = remedy_of(loader, case)
    named = re.findall(r"([+]?)\b([a-z_]+(?:\.[a-z_]+)*)=(\w+)", text)
    choices = read_choices([config_dir()])
    for added, key, value in named:
        is_key = "." in key and OmegaConf.select(cfg, key, default="missing") != "missing"
        assert is_key or value in choices.get(key, {}) or (added and key == "trainer.detect_anomaly"), key


def test_what_was_logged_before_the_block_counts_too(loader):
    splits = Splits(Arrays(GOOD), Arrays(GOOD), Arrays(GOOD))
    text = describe_remedy(later(PARTS, {}), compose("train"), REAL, splits, BEFORE | {"distortion": -40.0})
    assert "likelihood=gaussian_optimal" in text


def test_pixels_are_of_no_large_scale(loader):
    """Bytes are seen as numbers in [0, 1]."""
    pixels, grey = Arrays(np.full((4, 6), 255, np.uint8), levels=256), Spec((6,), Support.UNIT, 256)
    assert describe_remedy(later(PARTS, BEFORE), compose("train"), grey, Splits(pixels, pixels, pixels), {}).startswith(
        "Lower"
    )


def test_small_units_of_the_data_are_no_narrow_likelihood(loader):
    """Of 6 columns whose scale is 1e-20 nats are 276 lower than those of the same data at a scale of 1."""
    tiny, before = REAL._replace(scaling=Scaling((0.0,) * 6, (1e-20,) * 6)), BEFORE | {"distortion": -270.0}
    splits = Splits(Arrays(GOOD), Arrays(GOOD), Arrays(GOOD))
    assert describe_remedy(later(PARTS, before), compose("train"), tiny, splits, {}).startswith("Lower")


def test_a_diverged_run_says_what_did(shell):
    np.savez(shell.folder / "table.npz", x=FAR.repeat(4, 0))
    words = [
        "data=arrays",
        "data.path=table.npz",
        "likelihood=gaussian_learned",
        "data.batch_size=32",
        "net.hidden=[32]",
    ]
    err = shell("train", *words, "trainer.max_epochs=1", "hydra.run.dir=run", fails=True)
    assert re.search(r"at step 1, in loss, elbo, rate, distortion\. The data are far .* standardise", err), err
