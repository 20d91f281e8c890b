from functools import partial

import numpy as np
import pytest
import torch
from torch.distributions import Distribution

from elbolab.batch import Spec, Support
from elbolab.benchmark.cases import Case, Nets
from elbolab.benchmark.measure import Watch
from elbolab.benchmark.memory import collecting_only_new
from elbolab.nets.mlp import MLP
from elbolab.reading.splits import Arrays, Splits
from elbolab.training.recorded import Recorder

SPEC = Spec((1, 4, 4), Support.BINARY, levels=2)


@pytest.fixture(scope="module", autouse=True)
def _imports_stay_frozen(refrozen):
    pass


@pytest.fixture(autouse=True)
def _as_in_training():
    """Checks of arguments read values, so that no step could be captured; the command switches them off too."""
    Distribution.set_default_validate_args(False)


@pytest.fixture(autouse=True)
def _briefly():
    with collecting_only_new():
        yield


@pytest.fixture
def case():
    """70 grey images of 4 x 4 that are binarised at every step."""
    torch.manual_seed(5)
    grey = np.random.default_rng(0).integers(256, size=(70, 1, 4, 4), dtype=np.uint8)
    test = Arrays((grey[:6] > 127).astype(np.uint8), levels=2)
    splits = Splits(Arrays(grey, levels=256, draws=True), test, test)
    nets = Nets(partial(MLP, hidden=[8], activation="Tanh", init="torch"), SPEC, latent_dim=3)
    return Case("tiny", SPEC, splits, nets, torch.device("cpu"))


class Counting(Watch):
    """Optimiser steps while it runs."""

    def __init__(self):
        self.now = 0
        self.reads = []

    def start(self):
        self.reads.append(self.now)

    def stop(self):
        self.reads.append(self.now)

    @property
    def steps(self):
        start, stop = self.reads
        return stop - start


@pytest.fixture
def counting(monkeypatch):
    """A watch that sees every step of every Adam, and those that are replayed without one."""
    watch, step, capture = Counting(), torch.optim.Adam.step, Recorder.capture

    def counted(self, *args, **kwargs):
        watch.now += 1
        return step(self, *args, **kwargs)

    def captured(self, work):
        replay = capture(self, work)

        def one():
            before = watch.now
            replay()
            watch.now = before + 1

        return one

    monkeypatch.setattr(torch.optim.Adam, "step", counted)
    monkeypatch.setattr(Recorder, "capture", captured)
    return watch
