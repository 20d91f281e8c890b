"""What a model generates: samples, reconstructions, restorations, and walks through its latent space.

Shapes: N = data, D = latent numbers, T = steps of a walk.
"""

from collections.abc import Mapping
from contextlib import suppress
from math import ceil, prod

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Corrupting, Grouping, capability
from elbolab.densities.latents import Latent, Undefined
from elbolab.evaluation.figures.classes import every_class, has_style
from elbolab.evaluation.figures.looks import Points, assemble_whole, blank, look_of
from elbolab.evaluation.outputs import output_of, picture
from elbolab.evaluation.seeded import evaluating

STEPS = 11
"""Points of a walk."""


def samples(
    models: Mapping[str, Densities], batch: Batch, *, seed: int, label: str | int | None = None, what: str | None = None
) -> Figure:
    """Samples of each model, decoded from draws of its latent space, side by side.

    A model without a prior decodes draws from a Gaussian fitted to its codes, and its title says so. ``label`` is that
    of `generate`; ``what`` is ``mean`` or ``sample`` of p(x | z), None: means, or draws where data are points.
    """
    spec = next(iter(models.values())).spec
    look = look_of(spec, batch.x.cpu())
    data = assemble_whole(spec, batch.x, batch.given)
    show = output_of(what or ("sample" if isinstance(look, Points) else "mean"))
    given = repeat_conditions(batch, look.num_samples)
    side = ceil(look.num_samples**0.5)
    width, height = look.size(side, side)
    figure = blank(width * len(models), height + 0.4)
    for axes, (name, densities) in zip(figure.subplots(1, len(models), squeeze=False)[0], models.items(), strict=True):
        with evaluating(densities, "samples", seed):
            p, source = generate(densities, batch, look.num_samples, label)
            drawn = show(p).reshape(-1, *densities.spec.x)
        look.samples(axes, assemble_whole(spec, drawn, given), data[: look.num_samples])
        axes.set_title(f"{name}: {source}" if name else source, fontsize=9)
    return figure


def generate(densities: Densities, batch: Batch, num: int, label: str | int | None = None) -> tuple[Distribution, str]:
    """p(x | z, c) at ``num`` latent draws, with the conditions of the batch in turn, and the draws' source in words.

    Of a model that has the class in its latents, all draws are of the class called ``label``, where one is given.
    """
    given = repeat_conditions(batch, num)
    if label is not None and has_style(densities):
        y = every_class(densities.spec, batch.x)[densities.spec.class_index(label)].expand(num, -1)
        drawn = densities.imagine((), top=(y,))
        return densities.likelihood_of(drawn), f"class {label}: decoded z ~ p(z | y)"
    source = "decoded z ~ p(z | c)" if prod(densities.latent_shape) else "p(x | c)"
    try:
        # With conditions the batch shape is (draws, conditions): one draw for each condition.
        return (densities.generate(1, *given), source) if given else (densities.generate(num), "decoded z ~ p(z)")
    except Undefined:
        z = _fit_gaussian(codes_of(densities, batch)).sample((num,))
        p = densities.decode(z.unflatten(1, densities.latent_shape), *given)
        return p, "decoded z ~ Gaussian fitted to the codes"


def repeat_conditions(batch: Batch, num: int) -> tuple[Tensor, ...]:
    """The first ``num`` conditions, repeating those of the batch where there are fewer."""
    return tuple(tensor[torch.arange(num, device=tensor.device) % len(tensor)] for tensor in batch.given)


def _fit_gaussian(z: Tensor) -> Distribution:
    """The Gaussian with the mean and covariance of codes z (N, D), with a floor for directions that are not used."""
    deviation = z - z.mean(0)
    covariance = deviation.T @ deviation / len(z)
    floor = 1e-6 * covariance.diagonal().mean().clamp(min=1e-12)
    return MultivariateNormal(z.mean(0), covariance + floor * torch.eye(z.shape[1], dtype=z.dtype, device=z.device))


def reconstructions(densities: Densities, batch: Batch, *, seed: int) -> Figure:
    """Data, and the mean of p(x | z) at their codes."""
    look = look_of(densities.spec, batch.x.cpu())
    x, given = batch.x[: look.num_pairs], tuple(tensor[: look.num_pairs] for tensor in batch.given)
    with evaluating(densities, "reconstructions", seed):
        mean = picture(densities.decode(densities.encode(x, *given), *given))
    width, height = look.size(6, 12)
    figure = blank(width + 0.6, height + 0.3, "data and reconstructions")
    stages = {"data": x, "model": mean}
    look.stages(figure.subplots(), {name: assemble_whole(densities.spec, s, given) for name, s in stages.items()})
    return figure


def restorations(densities: Densities, batch: Batch, *, seed: int) -> Figure:
    """Clean data, the same corrupted by the model's own noise, and the mean of p(x | z = code of x~).

    Undefined where the model corrupts nothing.
    """
    corrupting = capability(densities, Corrupting)
    look = look_of(densities.spec, batch.x.cpu())
    x, given = batch.x[: look.num_pairs], tuple(tensor[: look.num_pairs] for tensor in batch.given)
    with evaluating(densities, "restorations", seed):
        corrupted = corrupting.corrupt(x)
        restored = picture(densities.decode(densities.encode(corrupted, *given), *given))
    width, height = look.size(9, 12)
    figure = blank(width + 0.8, height + 0.3, "clean, corrupted and restored data")
    look.stages(figure.subplots(), {"clean": x.cpu(), "corrupted": corrupted.cpu(), "restored": restored.cpu()})
    return figure


def interpolations(densities: Densities, batch: Batch, *, seed: int, num: int = 8) -> Figure:
    """Straight lines between the codes of pairs of data, decoded; a class changes at half the way.

    Undefined where there is one datum.
    """
    num = min(num, len(batch.x) // 2)
    if num == 0:
        raise Undefined("no interpolation: a line needs two data")
    with evaluating(densities, "interpolations", seed):
        z = codes_of(densities, batch)[: 2 * num]
        first, last, steps = z[:num, None], z[num:, None], _steps(STEPS, z)
        classes = torch.where(steps < 0.5, first, last)[..., densities.code_dim :]
        walks = torch.cat([torch.lerp(first, last, steps)[..., : densities.code_dim], classes], dim=-1)
        rows = decode_walk(densities, walks, batch)
    changing = "; the class changes at half the way" if densities.class_dim else ""
    return paths(batch, densities, rows, [], f"straight lines between the codes of two data{changing}")


def traversals(densities: Densities, batch: Batch, *, seed: int, num: int = 10) -> Figure:
    """A row for each latent dimension, which moves from end to end; the others stay at the first datum's code.

    The dimension with the largest KL is on top. Of several layers they are those of the highest, and the lower ones are
    at their means.
    """
    with evaluating(densities, "traversals", seed):
        importance, measure = importance_of(densities, batch)
        order = importance.argsort(descending=True)[:num]
        low, high, ends = ends_of(densities, batch)
        walks = upper_codes_of(densities, batch)[0].repeat(len(order), STEPS, 1)
        moved = torch.arange(len(order), device=order.device)
        walks[moved, :, order] = torch.lerp(low, high, _steps(STEPS, low)).T[order]
        rows = decode_walk(densities, walks, batch)
    labels = [f"$z_{{{dim}}}$: {importance[dim]:.2f}" for dim in order.tolist()]
    held = "; the class stays" if densities.class_dim else ""
    return paths(batch, densities, rows, labels, f"one latent dimension at a time, {ends}\nordered by {measure}{held}")


def manifold(densities: Densities, batch: Batch, *, seed: int, side: int = 20) -> Figure:
    """p(x | z) over a plane of latents, in equal steps of probability under a normal prior (Kingma & Welling 2014).

    Undefined where the latent space is no plane.
    """
    if prod(densities.latent_shape) != 2 or len(densities.code_shapes) > 1:
        raise Undefined("no manifold: the latent space is no plane")
    with evaluating(densities, "manifold", seed):
        normal, (low, high, _) = _normal_prior(densities, batch), ends_of(densities, batch)
        steps = _steps(side, low)
        grid = torch.lerp(low, high, steps) if normal is None else normal.icdf(0.02 + 0.96 * steps)
        rows = decode_walk(densities, plane_of(grid), batch)
    return paths(batch, densities, rows, [], "decoded latent plane: $z_0$ to the right, $z_1$ up")


def plane_of(grid: Tensor) -> Tensor:
    """The points (T, T, 2) of coordinates (T, 2): the first to the right, the second up."""
    return torch.stack(torch.meshgrid(grid[:, 0], grid[:, 1].flip(0), indexing="xy"), dim=-1)


def groups(densities: Densities, batch: Batch, *, seed: int, num: int = 10) -> Figure:
    """p(x | z, y) at draws of the style, a row for each group (Makhzani et al. 2015, figure 9).

    Undefined where the model finds no groups.
    """
    capability(densities, Grouping)
    with evaluating(densities, "groups", seed):
        group, style = densities.imagine((num,))
        every = torch.eye(group.z.shape[1]).to(group.z)
        z, y = style.z.expand(len(every), *style.z.shape), every[:, None].expand(-1, num, -1)
        rows = picture(densities.decode(torch.cat([z, y], dim=-1))).cpu()
    return paths(batch, densities, rows, [], "each group over draws of the style")


def decode_walk(densities: Densities, z: Tensor, batch: Batch) -> Tensor:
    """Means of p(x | z) at z (R, T, D), (R, T, *event) as drawn; all under the conditions of the first datum.

    The D numbers are a code, or the columns of its upper layers.
    """
    flat = z.reshape(-1, *(densities.latent_shape if len(densities.code_shapes) == 1 else z.shape[2:]))
    given = tuple(tensor[:1].expand(len(flat), *tensor.shape[1:]) for tensor in batch.given)
    return assemble_whole(densities.spec, picture(densities.decode(flat, *given)), given).unflatten(0, z.shape[:2])


def codes_of(densities: Densities, batch: Batch) -> Tensor:
    """The codes of a batch, (N, D); undefined where the model has no latents."""
    if prod(densities.latent_shape) == 0:
        raise Undefined("no codes: this model has no latents")
    return densities.encode(batch.x, *batch.given).flatten(1)


def upper_codes_of(densities: Densities, batch: Batch) -> Tensor:
    """The columns of the codes that are the highest layer of dimensions and a class, (N, D)."""
    sizes = [prod(shape) for shape in densities.code_shapes[: 2 if densities.class_dim else 1]]
    z = codes_of(densities, batch)
    return z[:, z.shape[1] - sum(sizes) :]


def importance_of(densities: Densities, batch: Batch) -> tuple[Tensor, str]:
    """How much each dimension of the highest layer is used, (D,), by a measure: mean KL, or spread where there is none.

    A class is no dimension; undefined where there is none.
    """
    if densities.code_dim == 0:
        raise Undefined("no dimensions: this model has no latents, or a class alone")
    with suppress(Undefined):
        return _dimensions(densities, batch).kl_per_dim.mean(0), "mean KL (nats)"
    z = _without_class(densities, upper_codes_of(densities, batch))
    return z.std(0, correction=0), "standard deviation of the codes"


def ends_of(densities: Densities, batch: Batch) -> tuple[Tensor, Tensor, str]:
    """Ends of walks, (D,) each, and in words: 3 deviations of a normal prior, else the range of the codes."""
    normal = _normal_prior(densities, batch)
    if normal is None:
        z = _without_class(densities, upper_codes_of(densities, batch))
        return z.amin(0), z.amax(0), "over the range of the codes"
    return normal.loc - 3 * normal.scale, normal.loc + 3 * normal.scale, "from −3 to 3 prior deviations"


def _normal_prior(densities: Densities, batch: Batch) -> Normal | None:
    """The prior of the first datum, batch shape (D,), where it is a diagonal normal."""
    first = Batch(batch.x[:1], tuple(tensor[:1] for tensor in batch.given))
    return diagonal_normal(_dimensions(densities, first).p)


def diagonal_normal(p: Distribution | None) -> Normal | None:
    """A distribution of one datum as a normal of batch shape (D,), None where it is no diagonal normal."""
    match p:
        case Independent(base_dist=Normal(loc=loc, scale=scale)):
            return Normal(loc.flatten(), scale.flatten())
    return None


def _dimensions(densities: Densities, batch: Batch) -> Latent:
    """The highest latent whose numbers are dimensions: the first that is no class."""
    return next(latent for latent in densities.infer(batch.x, *batch.given) if not latent.is_class)


def _without_class(densities: Densities, z: Tensor) -> Tensor:
    return z[:, : z.shape[1] - densities.class_dim]


def _steps(num: int, like: Tensor) -> Tensor:
    """From 0 to 1, (num, 1)."""
    return torch.linspace(0, 1, num, dtype=like.dtype, device=like.device)[:, None]


def paths(batch: Batch, densities: Densities, rows: Tensor, labels: list[str], title: str) -> Figure:
    """Rows (R, T, *event), as drawn, with a label each or none."""
    look = look_of(densities.spec, batch.x.cpu())
    width, height = look.size(*rows.shape[:2])
    figure = blank(width + (0.8 if labels else 0.0), height + 0.5, title)
    look.paths(figure.subplots(), rows, labels)
    return figure
