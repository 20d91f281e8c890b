"""`elbolab benchmark`: images/s and peak memory of elbolab and of other ways to train the same networks, here."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from elbolab.benchmark import scaling
from elbolab.benchmark.contenders import find_available
from elbolab.benchmark.memory import collecting_only_new
from elbolab.benchmark.options import Options
from elbolab.benchmark.profiling import profiles
from elbolab.benchmark.race import race
from elbolab.benchmark.results import table
from elbolab.common.files import write_atomically
from elbolab.common.machine import describe
from elbolab.config.paths import config_dir
from elbolab.config.suggest import check_added

NOT_MEASURED = ("out", "paths")
"""Keys that say where results go."""


def benchmark(cfg: DictConfig) -> None:
    """The task that Hydra calls."""
    check_added(HydraConfig.get().overrides.task, [config_dir()])
    keys: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    options = Options.of(**{name: value for name, value in keys.items() if name not in NOT_MEASURED})
    torch.distributions.Distribution.set_default_validate_args(False)  # a check on values is a host sync
    with threads(options.threads), collecting_only_new():
        _benchmark(options, Path(cfg.out))


def _benchmark(options: Options, folder: Path) -> None:
    contenders, notes = find_available(options.implementations, options.where)
    groups = race(contenders, options)
    _write(folder / "benchmark.json", [result.to_json() for group in groups for result in group])
    print(describe(options.where), table(groups), *notes, f"  {folder / 'benchmark.json'}", sep="\n")
    if options.profile:
        print("", profiles(options), sep="\n")
    if options.scaling:
        points = scaling.scale(options)
        _write(folder / "scaling.json", [point._asdict() for point in points])
        print("", scaling.table(points), f"  {folder / 'scaling.json'}", sep="\n")


def _write(path: Path, content: list[dict[str, Any]]) -> None:
    write_atomically(path, json.dumps(content, indent=2) + "\n")


@contextmanager
def threads(num: int | None) -> Iterator[None]:
    """Another number of threads for a while."""
    before = torch.get_num_threads()
    if num is not None:
        torch.set_num_threads(num)
    try:
        yield
    finally:
        torch.set_num_threads(before)
