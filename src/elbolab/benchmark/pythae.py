"""pythae (Chadebec et al. 2022), where it is installed: the extra ``benchmark``. It is imported only when it runs."""

from importlib.util import find_spec

import torch
from torch import Tensor

from elbolab.benchmark.cases import Case
from elbolab.benchmark.contender import Contender
from elbolab.benchmark.measure import Watch


def train(case: Case, batch: int, steps: int, watch: Watch) -> None:
    """Its trainer."""
    from elbolab.benchmark.with_pythae import fit

    fit(case, batch, steps, watch)


def nll(case: Case, images: Tensor, num_samples: int, watch: Watch) -> float:
    """Its estimate."""
    from elbolab.benchmark.with_pythae import estimate

    return estimate(case, images, num_samples, watch)


def obstacle(device: torch.device) -> str | None:
    """Whether it is installed."""
    return None if find_spec("pythae") else "not installed: pip install 'elbolab[benchmark]'"


CONTENDER = Contender("pythae", train, nll, obstacle)
