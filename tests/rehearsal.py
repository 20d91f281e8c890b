"""CUDA graphs, rehearsed on a CPU: a step is traced once to tensor operations, and these are replayed.

As in a CUDA graph no Python of the step runs again, numbers that Python computed are frozen, tensors that existed
before keep their places, random numbers come from the default generator, and what reads a value of the device cannot
be traced.
"""

from contextlib import contextmanager, nullcontext

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from elbolab.training.engine import Captured
from elbolab.training.graphs import Graphs


class Rehearsal(Graphs):
    """Counts what it does. Tracing does the work too, so the first replay of a graph is left out."""

    def __init__(self, waits=()):
        self.captures = self.replays = 0
        self.found = iter(waits)

    def stream(self):
        return nullcontext()

    def like(self, leaf):
        return torch.empty_like(leaf)

    def capture(self, work):
        self.captures += 1
        graph = make_fx(lambda: (work(), torch.zeros(()))[1], tracing_mode="real")()
        graphs = iter([lambda: None])

        def replay():
            self.replays += 1
            with torch.no_grad():  # the backward pass is among the operations
                next(graphs, graph)()

        return replay

    @contextmanager
    def waits(self):
        yield list(next(self.found, ()))


def captured(**options):
    return Captured(Rehearsal(), **options)
