"""The plain loop with its whole step captured by hand in one CUDA graph: the floor that a framework can reach.

Shapes: B = batch.
"""

import torch
from torch import Tensor
from torch.optim import Adam

from elbolab.benchmark.cases import LEARNING_RATE, Case
from elbolab.benchmark.contender import Contender
from elbolab.benchmark.measure import Watch
from elbolab.benchmark.raw_eager import Step, make_step, repeat, shuffle_batches

BEFORE = 3
"""Eager steps that create what is created lazily: the optimiser's state, the libraries' workspaces."""


def train(case: Case, batch: int, steps: int, watch: Watch) -> None:
    """Replayed steps."""
    rows, nets = case.rows(batch).to(case.device), case.nets()
    optimizer = Adam(nets.parameters(), lr=LEARNING_RATE, fused=True, capturable=True)
    replay = capture(make_step(case, rows, nets, optimizer), batch, case.device)
    repeat(replay, shuffle_batches(len(rows), batch, case.device), steps, watch)


def capture(step: Step, batch: int, device: torch.device) -> Step:
    """The same step, replayed on indices (B,) that are copied to where the graph reads them."""
    indices = torch.arange(batch, device=device)
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(BEFORE):
            step(indices)
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(indices)

    def replay(wanted: Tensor) -> None:
        indices.copy_(wanted)
        graph.replay()

    return replay


def obstacle(device: torch.device) -> str | None:
    """Graphs are CUDA's."""
    return None if device.type == "cuda" else "only a CUDA device captures steps"


CONTENDER = Contender("raw_captured", train, obstacle=obstacle)
