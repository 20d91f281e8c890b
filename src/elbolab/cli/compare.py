"""Runs beside each other: what a sweep shows when it ends, and `elbolab compare DIR [DIR ...]`."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from omegaconf import OmegaConf

from elbolab.cli.load import Run, load_run
from elbolab.cli.nearest import last_part
from elbolab.densities.base import Densities
from elbolab.densities.terms import Undefined
from elbolab.evaluation.figures.aggregate import codes_and_prior
from elbolab.evaluation.figures.curves import Point, rate_distortion
from elbolab.evaluation.figures.drawing import NUM_DATA, gather, write_figures
from elbolab.evaluation.figures.generative import samples
from elbolab.evaluation.figures.latent import latent_space
from elbolab.evaluation.report import SPLITS, Report, read_report

log = logging.getLogger(__name__)

MOST_PANELS = 4
"""Runs that fit beside each other in one picture."""

MOST_DIFFERENCES = 4
"""Differences that a run's name holds."""

BOUNDS: tuple[str, ...] = ("elbo", "dvae_bound", "rate", "distortion", "nll", "mmd2", "active_units", "mse")
BOUNDS += ("restoration", "probe_accuracy")
SCORES = ("beta_vae_score", "factor_vae_score", "mig", "dci_disentanglement", "sap")
"""Columns of the two tables."""

UNTOLD = ("paths", "name", "group", "tags", "resume", "logger", "callbacks")
"""Parts of a configuration that say nothing of the model."""

Leaves = dict[str, Any]
"""Dotted key -> value."""


def print_comparison(args: Sequence[str]) -> None:
    """`elbolab compare`: of run directories, or of one folder that holds some.

    Raises:
        ValueError: fewer than two evaluated runs.
    """
    folders = [Path(arg) for arg in args]
    runs = evaluated(folders)
    if len(runs) < 2:
        raise ValueError(
            f"{len(runs)} evaluated run(s) in {', '.join(args)}: name two run directories, or a sweep"
            if args
            else "which runs? elbolab compare SWEEP_DIR, or two run directories"
        )
    print(compare(runs, folders[0] if len(folders) == 1 else Path("comparison")))


def evaluated(folders: Sequence[Path]) -> list[Path]:
    """The evaluated runs among ``folders`` and right below them, each once; those of a sweep as it numbered them."""
    found = [path.parent for folder in folders for path in _reports(folder)]
    return list(dict.fromkeys(found))


def _reports(folder: Path) -> list[Path]:
    below = sorted(folder.glob("*/evaluation.json"), key=lambda path: (len(path.parent.name), path.parent.name))
    return [*folder.glob("evaluation.json"), *below]


def compare(paths: Sequence[Path], folder: Path) -> str:
    """Pictures of the runs side by side into ``folder``; returns tables with a line a run, and the pictures' paths.

    Runs on different data share no picture, and are called by their data.
    """
    runs = [load_run(path) for path in paths]
    same_data = all(_data(run) == _data(runs[0]) for run in runs)
    names = labels([OmegaConf.to_container(run.cfg) for run in runs], apart=() if same_data else ("data",))
    reports = {name: read_report(run.dir.evaluation) for name, run in zip(names, runs, strict=True)}
    figures = _pictures(dict(zip(names, runs, strict=True)), reports) if same_data else {}
    lines = [] if same_data else ["these runs are of different data: no picture puts them side by side"]
    written = write_figures(figures, folder.absolute()) if figures else []
    return "\n".join([*_tables(reports), *lines, *(f"  {path}" for path in written)])


def _data(run: Run) -> tuple[Any, ...]:
    """What tells data sets apart."""
    return run.spec, run.cfg.data.get("_target_"), run.cfg.data.get("path")


def labels(configs: Sequence[Any], apart: Sequence[str] = ()) -> list[str]:
    """A name for each run: its variant where variants differ, and the values that differ among runs of one variant.

    ``AE`` and ``VAE``, or ``beta=1`` and ``beta=4``, or ``AE, latent_dim=2``; runs that
    nothing tells apart are numbered.

    Args:
        configs: their configurations.
        apart: parts whose differences are named for all runs, whatever their variants.
    """
    runs = [flat(config) for config in configs]
    variants = [_value(run, "model") for run in runs]
    names = []
    for run, variant in zip(runs, variants, strict=True):
        alike = [other for other, its_variant in zip(runs, variants, strict=True) if its_variant == variant]
        told = [variant] if len(set(variants)) > 1 else []
        told += _differences(run, [{key: r[key] for key in r if _within(key, apart)} for r in runs])
        names.append(", ".join(dict.fromkeys([*told, *_differences(run, alike)])))
    return _distinct(names)


def _differences(run: Leaves, alike: Sequence[Leaves]) -> list[str]:
    """What sets a run apart from runs like it, ``beta=4`` or ``net=Conv``, once each: the config has copies.

    Of a part that is exchanged, what sets it apart from others of its kind: ``corruption=BitFlip, probability=0.1``.
    """
    differ = _differing(alike)
    exchanged = [key.removesuffix("._target_") for key in differ if key.endswith("._target_")]
    outermost = [part for part in exchanged if not _within(part, exchanged)]
    kin = [other for other in alike if all(_value(other, part) == _value(run, part) for part in outermost)]
    told = [key for key in [*outermost, *differ] if not _within(key, outermost)]
    told += [key for key in _differing(kin) if _within(key, outermost)]
    return list(dict.fromkeys(f"{last_part(key)}={_value(run, key)}" for key in told))[:MOST_DIFFERENCES]


def _differing(runs: Sequence[Leaves]) -> list[str]:
    """The keys of the model whose values differ among the runs."""
    keys = dict.fromkeys(key for run in runs for key in run if key.partition(".")[0] not in UNTOLD)
    return [key for key in keys if len({_short(run.get(key)) for run in runs}) > 1]


def _within(key: str, parts: Sequence[str]) -> bool:
    """Whether a key lies inside one of the parts."""
    return any(key.startswith(f"{part}.") for part in parts)


def _value(run: Leaves, key: str) -> str:
    """A value, or the class of a part."""
    target = run.get(f"{key}._target_")
    return _short(run.get(key)) if target is None else last_part(target)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with their numbers where several are the same or empty."""
    counts = Counter(names)
    return [name if name and counts[name] == 1 else f"{name} #{i}".strip() for i, name in enumerate(names)]


def flat(config: Any) -> Leaves:
    """The values of a configuration in plain Python by their dotted keys."""
    return dict(_leaves(config))


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(node, dict):
        yield prefix, node
        return
    for key, value in node.items():
        yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))


def _pictures(runs: Mapping[str, Run], reports: Mapping[str, Report]) -> dict[str, Figure]:
    """The rate-distortion curve, and latent spaces and samples side by side, of runs on the same data."""
    points = [
        Point(name, report["test"]["rate"]["value"], report["test"]["distortion"]["value"])
        for name, report in reports.items()
        if "rate" in report.get("test", {})
    ]
    figures = {"rate_distortion": rate_distortion(points)} if len(points) > 1 else {}
    if len(runs) > MOST_PANELS:
        return figures
    models: dict[str, Densities] = {name: run.densities for name, run in runs.items()}
    batches = next(iter(runs.values())).data().batches("test")
    panels = {
        "latent_spaces": latent_space(models, batches, seed=0),
        "random_decodes": samples(models, gather(batches, NUM_DATA), seed=0),
    }
    with suppress(Undefined):  # not all of them have codes in the plane and a prior
        panels["codes_and_priors"] = codes_and_prior(models, batches, seed=0)
    return figures | panels


def _tables(reports: Mapping[str, Report]) -> list[str]:
    """For each split that some run was measured on, its bounds, and its disentanglement scores where there are any."""
    lines = []
    for split in SPLITS:
        rows = {name: report.get(split, {}) for name, report in reports.items()}
        for columns in (BOUNDS, SCORES):
            lines += _table(split, columns, rows)
    return lines


def _table(split: str, columns: Sequence[str], reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line a run, a dash where a quantity does not exist; no line where none exists."""
    present = [column for column in columns if any(column in report for report in reports.values())]
    if not present:
        return []
    rows = [[split, *(_heading(column, reports) for column in present)]]
    rows += [[name, *(_cell(report.get(column)) for column in present)] for name, report in reports.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return [*(line.rstrip() for line in lines), ""]


def _heading(column: str, reports: Mapping[str, Mapping[str, Any]]) -> str:
    """The quantity, with the samples it took: ``nll, K=500``."""
    samples = {report[column]["k"] for report in reports.values() if column in report} - {None, 1}
    counts = "/".join(str(k) for k in sorted(samples))
    return column.replace("_", " ") + (f", K={counts}" if counts else "")


def _cell(quantity: Mapping[str, Any] | None) -> str:
    """Nats to the hundredth, counts whole, squared distances to five places, shares and scores to the thousandth."""
    if quantity is None:
        return "-"
    decimals = {"nats": 2, "dimensions": 0, "squared distance": 5}.get(quantity["unit"], 3)
    return f"{quantity['value']:.{decimals}f}"
