"""Annealed importance sampling of log p(x), bracketed on simulated data (Neal 2001; Wu et al. 2017).

Shapes: C = chains of a datum, G = data in a group, D = numbers of all latents of a datum; nats throughout.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log, prod
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor
from typing_extensions import override

from elbolab.common.kind import Kind
from elbolab.common.rng import seed_device, seed_of
from elbolab.densities.base import Densities
from elbolab.densities.checks import is_discrete, is_on_sphere
from elbolab.densities.latents import Latents, Undefined
from elbolab.distributions.family import Drawn
from elbolab.evaluation.batches import share_out, take_first
from elbolab.evaluation.likelihood import NLL, in_groups
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.proposals import Rows
from elbolab.evaluation.quantity import Quantity, means_of
from elbolab.evaluation.seeded import device_of, evaluating

KINDS = {
    "ais_nll": replace(NLL, headline=65, label="NLL by AIS"),
    "ais_gap": Kind("nats", "lower", 66, "bracket of AIS on simulated data"),
    "ais_acceptance": Kind("fraction"),
}

GROUP = 100
"""Data whose chains move together."""

ACCEPTED = 0.65
"""Share of proposals that Hamiltonian dynamics is best accepted with (Neal 2011, section 4.4)."""

PILOT = 200
"""Temperatures, at most, of the run that step sizes are adapted in, which is no part of the estimate."""

ADAPTATION = 0.5
"""Growth of the logarithm of a step size by each acceptance above `ACCEPTED`."""


@final
@dataclass(frozen=True)
class Annealing(Measure):
    """Log p(x) by annealed importance sampling from the prior; it needs no posterior, and continuous latents.

    Args:
        num_temperatures: T, on a sigmoidal schedule from 0, the prior, to 1, the posterior.
        num_chains: C, of each datum; their weights are averaged.
        num_leapfrog: steps of a proposal.
        limit: data that are measured, at most; None: all.
        num_simulated: data drawn from the model on which the estimate is bracketed; None: none.
    """

    is_shared: ClassVar[bool] = True
    on_demand: ClassVar[bool] = True
    counts: ClassVar[tuple[str, ...]] = ("num_temperatures", "num_chains", "num_leapfrog", "limit", "num_simulated")
    num_temperatures: int = 1_000
    num_chains: int = 4
    num_leapfrog: int = 10
    limit: int | None = 100
    num_simulated: int | None = 100

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        def measure(number: int, rows: Rows) -> dict[str, Tensor]:
            seed_device(device_of(densities), seed_of("annealing", seed, number))
            ends = self.bracket(densities, *rows)
            return {"ais_nll": -ends.lower, "ais_acceptance": ends.acceptance}

        def simulate(number: int, rows: Rows) -> dict[str, Tensor]:
            seed_device(device_of(densities), seed_of("simulated annealing", seed, number))
            x, *given = rows
            latents = densities.imagine(() if given else (len(x),), *given)
            simulated = densities.likelihood_of(latents, *given).sample()
            ends = self.bracket(densities, simulated, *given, exact=latents)
            return {"ais_gap": ends.upper - ends.lower}

        with evaluating(densities, "annealing", seed):
            values = share_out(measure, in_groups(take_first(data.measured(split), self.limit), GROUP))
            if self.num_simulated is not None:
                values |= share_out(simulate, in_groups(take_first(data.measured(split), self.num_simulated), GROUP))
        return means_of(values, KINDS, k=self.num_chains, seed=seed)

    def bracket(self, densities: Densities, x: Tensor, *given: Tensor, exact: Latents | None = None) -> "Bracket":
        """Bounds of log p(x), (G,) each, in expectation.

        Args:
            densities: the model.
            x: data.
            *given: their conditions.
            exact: draws of p(z | x), as one has of data that were drawn from the model; the upper bound needs them.

        Raises:
            Undefined: there are no latents, no prior, or latents that are discrete.
        """
        posterior = Target(densities, x, given)
        shape = (self.num_chains, len(x))
        pilot = temper(
            posterior, posterior.draw_prior(shape), schedule(min(PILOT, self.num_temperatures)), None, self.num_leapfrog
        )
        betas = schedule(self.num_temperatures)
        forward = temper(posterior, posterior.draw_prior(shape), betas, pilot.step_sizes, self.num_leapfrog)
        lower = forward.log_w.logsumexp(0) - log(self.num_chains)
        upper = torch.full_like(lower, float("nan"))
        if exact is not None:
            z = posterior.join(exact).expand(self.num_chains, -1, -1)
            backward = temper(posterior, z, betas.flip(0), pilot.step_sizes.flip(0), self.num_leapfrog)
            upper = log(self.num_chains) - backward.log_w.logsumexp(0)
        return Bracket(lower, upper, forward.acceptance)


@final
class Bracket(NamedTuple):
    """Bounds of log p(x) in expectation, (G,) each.

    Attributes:
        lower: log 1/C sum_c w_c of chains that start at the prior.
        upper: -log 1/C sum_c w_c of chains that start at draws of p(z | x) and end at the prior (Grosse et al. 2015);
            NaN without such draws.
        acceptance: share of accepted proposals.
    """

    lower: Tensor
    upper: Tensor
    acceptance: Tensor


@final
class Target:
    """Log p(z | c) and log p(x | z, c) of a group of data, at points that hold all latents side by side."""

    def __init__(self, densities: Densities, x: Tensor, given: tuple[Tensor, ...]) -> None:
        self.densities, self.x, self.given = densities, x, given
        latents = self.densities.imagine((1,) if given else (1, 1), *given)
        if not latents:
            raise Undefined("no annealed importance sampling: the model has no latents")
        if any(latent.p is None or is_discrete(latent.p) for latent in latents):
            raise Undefined("no annealed importance sampling: it moves continuous latents with a prior")
        if any(latent.p is not None and is_on_sphere(latent.p) for latent in latents):
            raise Undefined("no annealed importance sampling: its moves would leave the sphere that the latents are on")
        self.shapes = [latent.p.event_shape for latent in latents if latent.p is not None]

    def draw_prior(self, shape: tuple[int, int]) -> Tensor:
        """Draws of p(z | c), (C, G, D)."""
        return self.join(self.densities.imagine(shape[:1] if self.given else shape, *self.given))

    def join(self, latents: Latents) -> Tensor:
        """The latents side by side, (*S, G, D)."""
        parts = zip(latents, self.shapes, strict=True)
        return torch.cat([latent.z.flatten(latent.z.dim() - len(shape)) for latent, shape in parts], dim=-1)

    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Log p(z | c) and log p(x | z, c), (C, G) each."""
        sizes = [prod(shape) for shape in self.shapes]
        parts = zip(z.split(sizes, dim=-1), self.shapes, strict=True)
        points = iter([part.unflatten(-1, shape) for part, shape in parts])
        latents = self.densities.imagine((), *self.given, draw=lambda p, shape: Drawn(next(points)))
        log_prior = torch.stack([latent.log_p.expand(z.shape[:-1]) for latent in latents]).sum(0)
        return log_prior, self.densities.likelihood_of(latents, *self.given).log_prob(self.x)


def schedule(num: int) -> Tensor:
    """T + 1 inverse temperatures from 0 to 1, dense at both ends: a sigmoid of T + 1 points in [-4, 4]."""
    rise = torch.sigmoid(torch.linspace(-4, 4, num + 1, dtype=torch.float64))
    return (rise - rise[0]) / (rise[-1] - rise[0])


@final
class Tempered(NamedTuple):
    """The end of a run over temperatures.

    Attributes:
        log_w: log-weights, (C, G) in float64.
        step_sizes: of each move, (T - 1, G).
        acceptance: share of accepted proposals, (G,).
    """

    log_w: Tensor
    step_sizes: Tensor
    acceptance: Tensor


def temper(target: Target, z: Tensor, betas: Tensor, step_sizes: Tensor | None, num_leapfrog: int) -> Tempered:
    """Moves chains through p(z) p(x | z)^beta by Hamiltonian dynamics, and weighs them at every change of beta.

    Args:
        target: the densities.
        z: draws at the first temperature, (C, G, D).
        betas: T + 1 inverse temperatures, rising for a lower bound of log p(x) and falling for an upper one.
        step_sizes: of each datum, along the run, (anything, G): the nearest is taken. None: they are adapted during
            the run, whose weights are then biased.
        num_leapfrog: steps of a proposal.
    """
    num, is_adapted = len(betas) - 1, step_sizes is None
    log_w = z.new_zeros(z.shape[:-1], dtype=torch.float64)
    log_step = z.new_full((z.shape[1],), 0.5).log()
    taken, accepted = [], z.new_zeros(z.shape[1])
    for t in range(1, num + 1):
        with torch.no_grad():
            log_w += (betas[t] - betas[t - 1]) * target(z)[1].double()
        if t == num:
            break
        if step_sizes is not None:
            log_step = step_sizes[round((t - 1) / max(1, num - 2) * (len(step_sizes) - 1))].log()
        taken.append(log_step.exp())
        z, acceptance = move(target, z, float(betas[t]), taken[-1], num_leapfrog)
        accepted += acceptance.mean(0)
        if is_adapted:
            log_step = log_step + ADAPTATION * (acceptance.mean(0) - ACCEPTED)
    sizes = torch.stack(taken) if taken else log_step.exp()[None]
    return Tempered(log_w, sizes, accepted / max(1, num - 1))


def move(
    target: Callable[[Tensor], tuple[Tensor, Tensor]], z: Tensor, beta: float, step_size: Tensor, num_leapfrog: int
) -> tuple[Tensor, Tensor]:
    """One proposal of Hamiltonian dynamics for each chain (Neal 2011, section 3.2).

    Args:
        target: points -> log p(z) and log p(x | z), (C, G) each.
        z: points, (C, G, D).
        beta: the inverse temperature: p(z) p(x | z)^beta is left as it is.
        step_size: of each datum, (G,).
        num_leapfrog: steps of the dynamics.

    Returns:
        The points, and the probabilities with which proposals were accepted, (C, G).
    """

    def log_density(points: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            log_prior, log_lik = target(points)
            value = log_prior + beta * log_lik
            (gradient,) = torch.autograd.grad(value.sum(), points)
        return value.detach(), gradient

    step = step_size[:, None]
    momentum = torch.randn_like(z)
    start, gradient = log_density(z)
    before = start - momentum.square().sum(-1) / 2
    point = z
    for _ in range(num_leapfrog):
        momentum = momentum + step / 2 * gradient
        point = point + step * momentum
        end, gradient = log_density(point)
        momentum = momentum + step / 2 * gradient
    log_accept = (end - momentum.square().sum(-1) / 2 - before).nan_to_num(nan=float("-inf")).clamp(max=0)
    is_accepted = torch.rand_like(log_accept).log() < log_accept
    return torch.where(is_accepted[..., None], point, z), log_accept.exp()
