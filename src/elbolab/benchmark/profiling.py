"""Where the microseconds of a step go: elbolab's operators beside those of the plain loop."""

import os
from time import perf_counter
from typing import NamedTuple, final

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from typing_extensions import override

from elbolab.benchmark import ours, raw_eager
from elbolab.benchmark.cases import TRAINED
from elbolab.benchmark.measure import Watch, synchronize
from elbolab.benchmark.options import Options
from elbolab.common.text import text_table

STEPS = 50
"""Steps under the profiler: one block of elbolab's."""

MOST = 15
"""Operators that are shown."""

SIDES = (raw_eager.CONTENDER, ours.CONTENDER)


@final
class Cost(NamedTuple):
    """What one operator, or kernel, takes in a step: self time in microseconds, and calls."""

    us: float
    calls: float


NONE = Cost(0.0, 0.0)
Key = tuple[str, str]
"""Where, ``host`` or ``device``, and the operator."""


@final
class Profile(Watch):
    """Profiles what a watch would time; ``seconds`` are those under the profiler, which costs time itself."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's own log goes to the terminal
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        self.profiler = profile(activities=kinds)
        self.seconds = 0.0

    @override
    def start(self) -> None:
        synchronize(self.device)
        self.profiler.start()
        self.seconds -= perf_counter()

    @override
    def stop(self) -> None:
        synchronize(self.device)
        self.seconds += perf_counter()
        self.profiler.stop()

    def costs(self, steps: int) -> dict[Key, Cost]:
        """Of every operator, for one of ``steps`` steps."""
        found: dict[Key, Cost] = {}
        for event in self.profiler.key_averages():
            on_host = event.device_type == DeviceType.CPU
            us = event.self_cpu_time_total if on_host else event.self_device_time_total
            found["host" if on_host else "device", event.key] = Cost(us / steps, event.count / steps)
        return found


def profiles(options: Options) -> str:
    """Every model at its first batch size."""
    texts = []
    for model in options.models:
        case, batch = TRAINED[model](options.where), options.batches[model][0]
        title = f"{case.name} at batch size {batch}: self time and calls per step, under the profiler"
        columns = []
        for contender in SIDES:
            watch = Profile(case.device)
            contender.train(case, batch, STEPS, watch)
            columns.append(watch.costs(STEPS) | {("", "wall clock"): Cost(watch.seconds / STEPS * 1e6, 1.0)})
        texts.append(f"{title}\n{table(columns)}")
    return "\n\n".join(texts)


def table(columns: list[dict[Key, Cost]]) -> str:
    """The dearest operators of either side, dearest of elbolab first."""
    *_, last = columns
    keys = {key for column in columns for key in sorted(column, key=lambda k: -column[k].us)[:MOST]}
    ordered = sorted(keys, key=lambda key: (-last.get(key, NONE).us, key))
    head = ["where", "operator", *(f"{side.name} {what}" for side in SIDES for what in ("us", "calls"))]
    rows = [[*key, *(cell for column in columns for cell in _cells(column.get(key, NONE)))] for key in ordered]
    return text_table([head, *rows], left=(0, 1))


def _cells(cost: Cost) -> tuple[str, str]:
    return (f"{cost.us:.1f}", f"{cost.calls:.3g}") if cost.calls else ("-", "-")
