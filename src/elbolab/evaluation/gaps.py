"""Where the ELBO falls short of log p(x): by the family of q, or by the network that data share (Cremer et al. 2018).

Shapes: S = draws, G = data in a group, D = numbers of a latent; nats throughout.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.common.kind import Kind
from elbolab.common.rng import seed_device, seed_of
from elbolab.densities.base import Densities
from elbolab.densities.latents import Latents, Undefined, sample
from elbolab.distributions.family import Drawn, Family
from elbolab.evaluation.annealed import GROUP, Annealing
from elbolab.evaluation.batches import share_out, take_first
from elbolab.evaluation.likelihood import in_groups
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.proposals import Rows
from elbolab.evaluation.quantity import Quantity, means_of
from elbolab.evaluation.seeded import device_of, evaluating

KINDS = {
    "inference_gap": Kind("nats", "lower", 67),
    "approximation_gap": Kind("nats", "lower", 68),
    "amortisation_gap": Kind("nats", "lower", 69),
    "optimised_elbo": Kind("nats", "higher"),
}

ElboOf = Callable[[Tensor, int], Tensor]
"""Parameters (G, *out_shape) and the number of draws S -> the ELBO at each draw, (S, G)."""


@final
@dataclass(frozen=True)
class Gaps(Measure):
    """The gap of the amortised ELBO in two parts (Cremer, Li & Duvenaud 2018, section 3).

    With q* the best member of the posterior's family for a datum by itself::

        approximation_gap = log p(x) - ELBO(q*)
        amortisation_gap  = ELBO(q*) - ELBO(q(z | x))
        inference_gap     = log p(x) - ELBO(q(z | x))

    Log p(x) is that of annealed importance sampling, a lower bound in expectation. What is optimised is the raw output
    from which the posterior's family makes q, from the network's own output on, by Adam whose rate falls to 0. Both
    ELBOs are means of fresh draws, with the same noise.

    Undefined unless the model has one continuous latent whose posterior is a family that a network parametrises.

    Args:
        num_steps: of Adam.
        num_samples: draws of a step for each datum; the final draws are made as many at once.
        lr: Adam's rate at the first step.
        num_draws: of a final ELBO, for each datum.
        num_temperatures: of the annealing, and so the next two; see `elbolab.evaluation.annealed.Annealing`.
        num_chains: of a datum.
        num_leapfrog: steps of a proposal.
        limit: data that are measured, at most; None: all.
    """

    is_shared: ClassVar[bool] = True
    on_demand: ClassVar[bool] = True
    counts: ClassVar[tuple[str, ...]] = (
        *("num_steps", "num_samples", "num_draws"),
        *("num_temperatures", "num_chains", "num_leapfrog", "limit"),
    )
    num_steps: int
    num_samples: int
    lr: float
    num_draws: int
    num_temperatures: int
    num_chains: int
    num_leapfrog: int
    limit: int | None

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.lr > 0:
            raise ValueError(f"Gaps.lr={self.lr}: a rate is positive")

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        annealing = Annealing(self.num_temperatures, self.num_chains, self.num_leapfrog)

        def measure(number: int, rows: Rows) -> dict[str, Tensor]:
            def use_stream(purpose: str) -> None:
                seed_device(device_of(densities), seed_of(purpose, seed, number))

            elbo_of, raw = elbo_by_parameters(densities, *rows)
            use_stream("optimised posterior")
            best = self.optimise(elbo_of, raw)
            elbos = []
            for parameters in (raw, best):
                use_stream("gaps")
                elbos.append(self.estimate(elbo_of, parameters))
            use_stream("annealing")
            log_px = annealing.bracket(densities, *rows).lower
            amortised, optimised = elbos
            return {
                "inference_gap": log_px - amortised,
                "approximation_gap": log_px - optimised,
                "amortisation_gap": optimised - amortised,
                "optimised_elbo": optimised,
            }

        with evaluating(densities, "gaps", seed):
            values = share_out(measure, in_groups(take_first(data.measured(split), self.limit), GROUP))
        return means_of(values, KINDS, k=self.num_draws, seed=seed)

    def optimise(self, elbo_of: ElboOf, raw: Tensor) -> Tensor:
        """Parameters of q, (G, *out_shape), that maximise the ELBO of each datum; those given are the start."""
        best = raw.detach().clone().requires_grad_()
        optimizer = torch.optim.Adam([best], self.lr)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, self.num_steps)
        for _ in range(self.num_steps):
            with torch.enable_grad():
                loss = -elbo_of(best, self.num_samples).mean(0).sum()
            (best.grad,) = torch.autograd.grad(loss, best)
            optimizer.step()
            schedule.step()
        return best.detach()

    def estimate(self, elbo_of: ElboOf, raw: Tensor) -> Tensor:
        """The mean ELBO of ``num_draws`` draws, (G,) in float64, from draws made ``num_samples`` at a time."""
        sizes = [len(part) for part in torch.arange(self.num_draws).split(self.num_samples)]
        return torch.stack([elbo_of(raw, size).double().sum(0) for size in sizes]).sum(0) / self.num_draws


def elbo_by_parameters(densities: Densities, x: Tensor, *given: Tensor) -> tuple[ElboOf, Tensor]:
    """The ELBO of data as a function of what q's family reads: the function, and what the network gives it to read.

    Raises:
        Undefined: there is not one latent, it is discrete, or its posterior is of no family with a density.
    """
    read: list[tuple[Family, Tensor, Distribution]] = []
    hooks = [
        part.register_forward_hook(lambda family, inputs, q: read.append((family, *inputs, q)))
        for part in densities.modules()
        if isinstance(part, Family)
    ]
    try:
        latent = densities.infer(x, *given).only()
    finally:
        for hook in hooks:
            hook.remove()
    of_q = [(family, raw) for family, raw, q in read if q is latent.q and q is not latent.p and q.has_rsample]
    if not of_q:
        raise Undefined("no gaps: they are of a continuous posterior that a network parametrises")
    ((family, first),) = of_q

    def elbo_of(raw: Tensor, num: int) -> Tensor:
        q = family(raw)
        z, log_q, _ = sample(q, (num,))
        drawn = densities.imagine((), *given, draw=lambda p, shape: Drawn(z))
        latents = Latents([replace(drawn.only(), q=q, drawn_log_q=log_q)], drawn.state)
        return densities.score(x, latents, *given).elbo

    elbo_of(first, 1)  # raises Undefined where there is no ELBO
    return elbo_of, first
