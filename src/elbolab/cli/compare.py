"""Runs beside each other: what a sweep shows when it ends, and `elbolab compare DIR [DIR ...]`."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from hydra.experimental.callback import Callback
from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf

from elbolab.cli.load import Run, load_run
from elbolab.densities.base import Densities
from elbolab.evaluation.figures.curves import Point, rate_distortion
from elbolab.evaluation.figures.drawing import NUM_DATA, gather, write_figures
from elbolab.evaluation.figures.generative import samples
from elbolab.evaluation.figures.latent import latent_space
from elbolab.evaluation.report import read_report

log = logging.getLogger(__name__)

MOST_PANELS = 4
"""Runs that fit beside each other in one picture."""

COLUMNS = ("elbo", "rate", "distortion", "nll", "active_units")


@final
class Compare(Callback):
    """Compares the jobs of a multirun when the last has ended; Hydra calls it."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Writes the comparison into the sweep directory; a sweep of one finished run has none."""
        folder = Path(config.hydra.sweep.dir)
        runs = sorted(p.parent for p in folder.glob("*/evaluation.json"))
        if len(runs) > 1:
            print(compare(runs, folder))


def print_comparison(args: Sequence[str]) -> None:
    """`elbolab compare`: of run directories, or of one folder that holds some.

    Raises:
        ValueError: fewer than two evaluated runs.
    """
    folders = [Path(arg) for arg in args]
    found = [p for folder in folders for p in (*folder.glob("evaluation.json"), *folder.glob("*/evaluation.json"))]
    runs = sorted(path.parent for path in found)
    if len(runs) < 2:
        raise ValueError(
            f"{len(runs)} evaluated run(s) in {', '.join(args) or 'nothing'}: name two run directories, or a sweep"
        )
    print(compare(runs, folders[0] if len(folders) == 1 else Path("comparison")))


def compare(paths: Sequence[Path], folder: Path) -> str:
    """Pictures of the runs side by side into ``folder``; returns a table with a line a run."""
    runs = [load_run(path) for path in paths]
    names = labels([OmegaConf.to_container(run.cfg) for run in runs])
    reports = [read_report(run.dir.evaluation).get("test", {}) for run in runs]
    figures = _pictures(dict(zip(names, runs, strict=True)))
    points = [
        Point(name, report["rate"]["value"], report["distortion"]["value"])
        for name, report in zip(names, reports, strict=True)
        if "rate" in report
    ]
    if len(points) > 1:
        figures["rate_distortion"] = rate_distortion(points)
    written = write_figures(figures, folder)
    return "\n".join([*_table(names, reports), *(f"  {path}" for path in written)])


def labels(configs: Sequence[Any]) -> list[str]:
    """What tells the runs apart: the variant where it differs, and the numbers that do, ``beta_vae beta=4.0``."""
    flat = [dict(_leaves(config)) for config in configs]
    differ = [key for key in dict.fromkeys(key for leaves in flat for key in leaves) if _differs(key, flat)]
    shown = [key for key in differ if key.partition(".")[0] not in ("paths", "name", "resume", "logger", "callbacks")]
    return [_label(leaves, shown) or str(i) for i, leaves in enumerate(flat)]


def _differs(key: str, flat: Sequence[Mapping[str, Any]]) -> bool:
    return len({str(leaves.get(key)) for leaves in flat}) > 1


def _label(leaves: Mapping[str, Any], shown: Sequence[str]) -> str:
    """The variant's name, then what differs among values; the insides of parts that differ as a whole are left out."""
    if "model._target_" in shown:
        return leaves["model._target_"].rpartition(".")[2]
    return ", ".join(f"{key.rpartition('.')[2]}={leaves.get(key)}" for key in shown)[:60]


def _leaves(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(node, dict):
        return [(prefix, node)]
    return [leaf for key, value in node.items() for leaf in _leaves(value, f"{prefix}.{key}" if prefix else str(key))]


def _pictures(runs: Mapping[str, Run]) -> dict[str, Figure]:
    """Latent spaces and samples side by side, of runs on the same data."""
    first = next(iter(runs.values()))
    if len(runs) > MOST_PANELS or any(run.spec != first.spec for run in runs.values()):
        return {}
    models: dict[str, Densities] = {name: run.densities for name, run in runs.items()}
    batches = first.data().batches("test")
    return {
        "latent_spaces": latent_space(models, batches, seed=0),
        "random_decodes": samples(models, gather(batches, NUM_DATA), seed=0),
    }


def _table(names: Sequence[str], reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line a run, numbers in nats; a dash where a quantity does not exist."""
    columns = [column for column in COLUMNS if any(column in report for report in reports)]
    rows = [["", *columns]]
    for name, report in zip(names, reports, strict=True):
        rows.append([name, *(f"{report[c]['value']:.2f}" if c in report else "-" for c in columns)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
