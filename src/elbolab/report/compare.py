"""Runs beside each other: what a sweep shows when it ends, and `elbolab compare DIR [DIR ...]`."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from matplotlib.figure import Figure

from elbolab.common.terminal import terminal_width
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.figures.curves import Point, rate_distortion
from elbolab.evaluation.figures.drawing import NUM_DATA, gather, write_figures
from elbolab.evaluation.figures.generative import samples
from elbolab.evaluation.figures.latent import codes_and_prior, latent_space
from elbolab.evaluation.report import Report
from elbolab.report.rows import columns_of
from elbolab.report.table import table_of
from elbolab.runs.gather import Entry, natural, read_entries
from elbolab.runs.load import Run, load_run

MOST_PANELS = 4
"""Runs that fit beside each other in one picture."""


def print_comparison(args: Sequence[str]) -> None:
    """`elbolab compare`: of run directories, or of one folder that holds some.

    Raises:
        ValueError: fewer than two evaluated runs.
    """
    folders = [Path(arg) for arg in args]
    runs = find_evaluated(folders)
    if not args:
        raise ValueError("which runs? elbolab compare SWEEP_DIR, or two run directories")
    if len(runs) < 2:
        raise ValueError(f"{len(runs)} evaluated run(s) in {', '.join(args)}: name two run directories, or a sweep")
    print(compare(runs, folders[0] if len(folders) == 1 else Path("comparison"), terminal_width()))


def find_evaluated(folders: Sequence[Path]) -> list[Path]:
    """The evaluated runs among ``folders`` and right below them, each once; those of a sweep as it numbered them."""
    found: list[Path] = []
    for folder in folders:
        below = sorted(folder.glob("*/evaluation.json"), key=lambda path: natural(path.parent.name))
        found += [path.parent for path in (*folder.glob("evaluation.json"), *below)]
    return list(dict.fromkeys(found))


def compare(paths: Sequence[Path], folder: Path, width: int | None) -> str:
    """Pictures of the runs side by side into ``folder``; returns tables with a line a run, and the pictures' paths.

    Runs on different data share no picture, and are called by their data. A full disk takes no table with it.

    Args:
        paths: their directories.
        folder: where the pictures go.
        width: columns of the terminal, None where there is none.
    """
    runs, entries = [load_run(path) for path in paths], read_entries(paths)
    lines = tables(entries, width)
    data = [(run.spec, run.cfg.data.get("_target_"), run.cfg.data.get("path")) for run in runs]
    if any(other != data[0] for other in data):
        return "\n".join([*lines, "these runs are of different data: no picture puts them side by side"])
    named = {entry.name: run for entry, run in zip(entries, runs, strict=True)}
    figures = _draw(named, {entry.name: entry.report for entry in entries})
    try:
        lines += [f"  {path}" for path in write_figures(figures, folder.absolute())]
    except OSError as error:
        lines.append(f"not all pictures are written: {error}")
    return "\n".join(lines)


def tables(entries: Sequence[Entry], width: int | None) -> list[str]:
    """A line a run, and means over seeds where runs differ by them alone, of every split that was measured."""
    columns = [column for column in columns_of(entries) if column.is_headline]
    has_repetitions = len({entry.content for entry in entries}) < len(entries)
    kinds = (False, True) if has_repetitions else (False,)
    return [table_of(entries, columns, width, mean=mean, compared=True) for mean in kinds]


def _draw(runs: Mapping[str, Run], reports: Mapping[str, Report]) -> dict[str, Figure]:
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
    batches = next(iter(runs.values())).data("accept").batches("test")
    figures["latent_spaces"] = latent_space(models, batches, seed=0)
    figures["random_decodes"] = samples(models, gather(batches, NUM_DATA), seed=0)
    with suppress(Undefined):  # not all of them have codes in the plane and a prior
        figures["codes_and_priors"] = codes_and_prior(models, batches, seed=0)
    return figures
