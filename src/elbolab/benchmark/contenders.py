"""All contenders, in the order in which they are measured and shown."""

from collections.abc import Sequence

import torch

from elbolab.benchmark import ours, plain_lightning, pythae, raw_captured, raw_eager
from elbolab.benchmark.contender import Contender

CONTENDERS: dict[str, Contender] = {
    module.CONTENDER.name: module.CONTENDER for module in (raw_eager, raw_captured, ours, plain_lightning, pythae)
}


def find_available(names: Sequence[str], device: torch.device) -> tuple[list[Contender], list[str]]:
    """Those of ``names`` that can run on ``device``, and a line for each that cannot.

    Raises:
        ValueError: none can.
    """
    wanted = [CONTENDERS[name] for name in names]
    reasons = {c.name: c.obstacle(device) for c in wanted}
    notes = [f"left out: {name} ({reason})" for name, reason in reasons.items() if reason]
    if len(notes) == len(wanted):
        raise ValueError(f"implementations: none can run here; {'; '.join(notes)}. Add elbolab or raw_eager")
    return [c for c in wanted if not reasons[c.name]], notes
