"""A conditional model that looks at a first guess of what it predicts (Sohn et al. 2015, section 4, figure 1d)."""

from functools import partial
from typing import final

import torch
from torch import Tensor
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec
from elbolab.common.refusal import Refusal, change
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Guessing
from elbolab.densities.checks import check_given
from elbolab.densities.latents import Draw, Latents, sample
from elbolab.densities.layer import Layer, single_layer
from elbolab.densities.wiring import stochastic_network
from elbolab.distributions.conditional import Ignore, Recipe


@final
class Recurrent(Guessing):
    """p(z | c, g) p(x | z, c, g) with q(z | x, c), where g = E[x | c] is the guess of a frozen baseline.

    The baseline receives no gradient and works as in evaluation, whatever the mode of the model around it.

    Args:
        spec: what is known of the data.
        inner: the same of the data with the guess as one more condition.
        baseline: a trained p(x | c) of the same data.
    """

    def __init__(self, spec: Spec, inner: Layer, baseline: Densities) -> None:
        super().__init__()
        self.spec, self.code_shapes = spec, inner.code_shapes
        self.baseline, self.inner = baseline.freeze(), inner

    @override
    def first_guess(self, *given: Tensor) -> Tensor:
        with torch.no_grad():
            return self.baseline.likelihood_of(self.baseline.imagine((), *given), *given).mean

    @override
    def infer(self, x: Tensor, *given: Tensor, shape: Shape = (), draw: Draw = sample) -> Latents:
        guess = self.first_guess(*given)
        return self._attach_guess(self.inner.infer(x, *given, guess, shape=shape, draw=draw), guess)

    @override
    def imagine(self, shape: Shape, *given: Tensor, top: tuple[Tensor, ...] = (), draw: Draw = sample) -> Latents:
        guess = self.first_guess(*given)
        return self._attach_guess(self.inner.imagine(shape, *given, guess, top=top, draw=draw), guess)

    @override
    def likelihood_of(self, latents: Latents, *given: Tensor) -> Distribution:
        assert latents.state is not None, "`infer` and `imagine` have put the guess there"
        return self.inner.likelihood_of(latents, *given, latents.state)

    @override
    def initialise(self, data: Batch, mean: Tensor) -> None:
        """Initialises the inner model; the baseline stays as it was trained."""
        self.inner.initialise(data, mean)

    def _attach_guess(self, latents: Latents, guess: Tensor) -> Latents:
        """The latents (*S, B, ...) with the guess of every draw as their state, for the likelihood to read."""
        lead = latents[0].z.shape[: -len(self.latent_shape)]
        return Latents(latents, guess.expand(*lead, *self.spec.x))


def recurrent_layer(
    spec: Spec, latent_dim: int, prior: Recipe, posterior: Recipe, likelihood: Recipe, baseline: Densities
) -> Recurrent:
    """p(z | c, g) p(x | z, c, g) with q(z | x, c), to which the guess would say nothing that c does not.

    A prior that looks at nothing makes z independent of c. Without a posterior it is a `stochastic_network`.
    """
    check_given(spec, "a model that looks at a first guess")
    _check_baseline(baseline, spec)
    guided = spec._replace(given=(*spec.given, spec.x), given_is_label=False)
    if posterior is None:
        return Recurrent(spec, stochastic_network(guided, latent_dim, prior, None, likelihood), baseline)
    blind = partial(Ignore, conditional=posterior, keep=1 + len(spec.given))
    return Recurrent(spec, single_layer(guided, latent_dim, prior, blind, likelihood), baseline)


def _check_baseline(baseline: Densities, spec: Spec) -> None:
    """Raises Refusal where the baseline has latents, or was trained on other data."""
    if baseline.code_shapes:
        raise Refusal(
            "pretrained.baseline has latents, and a first guess is made without any, by model=regression",
            change("pretrained.baseline", "RUN", "sohn2015/nn"),
        )
    there, here = ((s.x, s.given, s.canvas) for s in (baseline.spec, spec))
    if there != here:
        raise Refusal(
            f"pretrained.baseline was trained on data of shape {there[0]} with conditions {there[1]}, and these have "
            f"{here[0]} and {here[1]}; both need the same data, data.given and data.quadrants",
            change("pretrained.baseline", "RUN", "EXPERIMENT"),
        )
