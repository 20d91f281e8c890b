"""Captured steps on a CPU as elbolab records them, counted, and with waits that a test makes up."""

from contextlib import contextmanager

import torch

from elbolab.training.engine import Captured
from elbolab.training.graphs import Graphs
from elbolab.training.recorded import Recorder


class Rehearsal(Graphs):
    """Counts what it does."""

    def __init__(self, waits=(), model=None):
        self.recorder = Recorder(torch.nn.Module() if model is None else model)
        self.captures = self.replays = 0
        self.found = iter(waits)

    def stream(self):
        return self.recorder.stream()

    def like(self, leaf):
        return self.recorder.like(leaf)

    def capture(self, work):
        self.captures += 1
        replay = self.recorder.capture(work)

        def counted():
            self.replays += 1
            replay()

        return counted

    @contextmanager
    def waits(self):
        yield [f"the step waits for the device: {place}" for place in next(self.found, ())]


def captured(**options):
    return Captured(Rehearsal(), **options)
