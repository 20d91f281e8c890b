"""Every picture of one model, and the files they go to."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure
from numpy.typing import NDArray

from elbolab.batch import Batch
from elbolab.common.files import replacing
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.figures.classes import condition_on_label
from elbolab.evaluation.figures.conditional import (
    analogies,
    class_manifolds,
    completions,
    edits,
    samples_by_label,
    style_transfer,
)
from elbolab.evaluation.figures.curves import KL_TABLE, kl_map, loss_curves
from elbolab.evaluation.figures.generative import (
    generate,
    groups,
    interpolations,
    manifold,
    reconstructions,
    restorations,
    samples,
    traversals,
)
from elbolab.evaluation.figures.latent import codes_and_prior, kl_bars, latent_space
from elbolab.evaluation.figures.posterior import posterior_and_truth
from elbolab.evaluation.likelihood import in_groups
from elbolab.evaluation.outputs import OUTPUTS, output_of
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
        label: name of the class of all samples, None for those of the data in turn; refused as by `sample_arrays`.
        what: what samples show, as that of `samples`.
    """
    batch = gather(batches, NUM_DATA)
    of_class = condition_on_label(label, densities, batch)

    def of_batch(*draws: Callable[..., Figure]) -> dict[str, Callable[[], Figure]]:
        return {draw.__name__: partial(draw, densities, batch, seed=seed) for draw in draws}

    drawings: dict[str, Callable[[], Figure]] = {
        "samples": partial(samples, {"": densities}, of_class, seed=seed, label=label, what=what),
        **of_batch(reconstructions, restorations, edits, interpolations, traversals),
        "latent_space": partial(latent_space, {"": densities}, batches, seed=seed),
        "codes_and_prior": partial(codes_and_prior, {"": densities}, batches, seed=seed),
        **of_batch(posterior_and_truth, groups, manifold, class_manifolds, analogies),
        "samples_by_label": partial(samples_by_label, densities, batch, seed=seed, what=what),
        **of_batch(style_transfer, completions),
        "kl_per_dim": partial(kl_bars, densities, [batch], seed=seed),
    }
    if metrics is not None:
        drawings["loss_curves"] = partial(loss_curves, metrics)
        drawings["kl_over_training"] = partial(kl_map, metrics.with_name(KL_TABLE))
    figures = {}
    for name, draw in drawings.items():
        with suppress(Undefined):
            figures[name] = draw()
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
        ValueError: the model draws by no class, or not that one; or its likelihood has no draws, or no mean.
    """
    shown = {f"{name}s": output_of(name) for name in OUTPUTS if what in (None, name)}
    batch = condition_on_label(label, densities, gather(batches, NUM_DATA))
    with evaluating(densities, "samples", seed):
        p, _ = generate(densities, batch, num, label)
        shape, restore = (num, *densities.spec.x), densities.spec.restore
        return {name: restore(show(p).reshape(shape)).cpu().numpy() for name, show in shown.items()}
