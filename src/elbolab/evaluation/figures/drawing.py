"""Every picture of one model, and the files they go to."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from elbolab.batch import Batch
from elbolab.common.files import replacing
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.figures.aggregate import codes_and_prior, groups
from elbolab.evaluation.figures.classes import condition_on_label
from elbolab.evaluation.figures.conditional import completions, samples_by_label, style_transfer
from elbolab.evaluation.figures.curves import loss_curves
from elbolab.evaluation.figures.denoising import restorations
from elbolab.evaluation.figures.editing import edits
from elbolab.evaluation.figures.generative import (
    generate,
    interpolations,
    manifold,
    reconstructions,
    samples,
    traversals,
)
from elbolab.evaluation.figures.kl_map import KL_TABLE, kl_map
from elbolab.evaluation.figures.latent import kl_bars, latent_space
from elbolab.evaluation.figures.semi import analogies, class_manifolds
from elbolab.evaluation.likelihood import in_groups
from elbolab.evaluation.outputs import OUTPUTS
from elbolab.evaluation.seeded import evaluating

NUM_DATA = 500
"""Data that pictures of single data, and the statistics beside them, are made of."""

DPI = 120


def draw_all(
    densities: Densities,
    batches: Iterable[Batch],
    metrics: Path | None = None,
    *,
    seed: int,
    label: str | int | None = None,
    what: str | None = None,
) -> dict[str, Figure]:
    """Every figure that exists for this model, by name.

    Args:
        densities: the model.
        batches: data it was not trained on, as often as they are asked for.
        metrics: the run's `metrics.csv`, with `kl_per_dim.csv` beside it; None without curves.
        seed: of every draw.
        label: name of the class of all samples, None for those of the data in turn.
        what: what samples show, as that of `samples`.

    Raises:
        ValueError: as `sample_arrays`.
    """
    batch = gather(batches, NUM_DATA)
    drawings: dict[str, Callable[[], Figure]] = {
        "samples": partial(
            samples, {"": densities}, condition_on_label(label, densities, batch), seed=seed, label=label, what=what
        ),
        "reconstructions": partial(reconstructions, densities, batch, seed=seed),
        "restorations": partial(restorations, densities, batch, seed=seed),
        "edits": partial(edits, densities, batch, seed=seed),
        "interpolations": partial(interpolations, densities, batch, seed=seed),
        "traversals": partial(traversals, densities, batch, seed=seed),
        "latent_space": partial(latent_space, {"": densities}, batches, seed=seed),
        "codes_and_prior": partial(codes_and_prior, {"": densities}, batches, seed=seed),
        "groups": partial(groups, densities, batch, seed=seed),
        "manifold": partial(manifold, densities, batch, seed=seed),
        "class_manifolds": partial(class_manifolds, densities, batch, seed=seed),
        "analogies": partial(analogies, densities, batch, seed=seed),
        "samples_by_label": partial(samples_by_label, densities, batch, seed=seed, what=what),
        "style_transfer": partial(style_transfer, densities, batch, seed=seed),
        "completions": partial(completions, densities, batch, seed=seed),
        "kl_per_dim": partial(kl_bars, densities, [batch], seed=seed),
    }
    if metrics is not None:
        drawings["loss_curves"] = partial(loss_curves, metrics)
        drawings["kl_over_training"] = partial(kl_map, metrics.with_name(KL_TABLE))
    return _draw_existing(drawings)


def _draw_existing(drawings: Mapping[str, Callable[[], Figure]]) -> dict[str, Figure]:
    figures = {}
    for name, draw in drawings.items():
        try:
            figures[name] = draw()
        except Undefined:
            continue
    return figures


def gather(batches: Iterable[Batch], num: int) -> Batch:
    """The first ``num`` data with their conditions as one batch."""
    x, *given = next(in_groups(take_first(batches, num), num))
    return Batch(x, tuple(given))


def write_figures(figures: Mapping[str, Figure], folder: Path, dpi: int = DPI) -> list[Path]:
    """Writes each figure to ``folder/<name>.png``, whole or not at all, and returns the paths.

    Raises:
        OSError: one cannot be written.
    """
    paths = [folder / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        with replacing(path) as beside:
            figure.savefig(beside, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.08)
    return paths


def sample_arrays(
    densities: Densities,
    batches: Iterable[Batch],
    *,
    num: int,
    seed: int,
    label: str | int | None = None,
    what: str | None = None,
) -> dict[str, NDArray]:
    """``samples`` and ``means`` of p(x | z, c) at the same ``num`` latent draws, (num, *event), in the data's units.

    A model without a prior decodes draws from a Gaussian fitted to its codes of the data. Conditions are those of the
    data in turn; with a ``label``, all draws are of that class. With ``what``, samples or means alone.

    Raises:
        ValueError: a label, and the model draws by no class, or there is no such class; a likelihood without draws, or
            without a mean.
    """
    shown = {f"{name}s": output for name, output in OUTPUTS.items() if what in (None, name)}
    batch = condition_on_label(label, densities, gather(batches, NUM_DATA))
    with evaluating(densities, "samples", seed):
        p, _ = generate(densities, batch, num, label)
        arrays = {name: show(p) for name, show in shown.items()}
        shape = torch.Size((num, *densities.spec.x))
        restore = densities.spec.restore
        return {name: restore(values.reshape(shape)).cpu().numpy() for name, values in arrays.items()}
