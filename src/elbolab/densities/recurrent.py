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
from elbolab.densities.frozen import freeze
from elbolab.densities.latents import Latents
from elbolab.densities.wiring import single_layer, stochastic_network
from elbolab.distributions.conditional import Ignore, MakeConditional
from elbolab.distributions.drawing import Draw, sample


@final
class Recurrent(Guessing):
    """p(z | c, g) p(x | z, c, g) with q(z | x, c), where g = E[x | c] is the guess of a frozen baseline.

    The baseline receives no gradient and works as in evaluation, whatever the mode of the model around it.

    Args:
        spec: what is known of the data.
        latent_dim: D, dimensions of z.
        prior: recipe of p(z | c, g); one that looks at nothing makes z independent of c.
        posterior: recipe of q(z | x, c): the guess would tell it nothing that c does not. None: that of the prior, see
            `stochastic_network`.
        likelihood: recipe of p(x | z, c, g).
        baseline: a trained p(x | c) of the same data.

    Raises:
        Refusal: no conditions, or a baseline of another kind or of other data; see also `single_layer`.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        prior: MakeConditional | None,
        posterior: MakeConditional | None,
        likelihood: MakeConditional | None,
        baseline: Densities,
    ) -> None:
        super().__init__()
        check_given(spec, "a model that looks at a first guess")
        self.spec = spec
        self.baseline = freeze(_check_baseline(baseline, spec))
        inner = spec._replace(given=(*spec.given, spec.x), given_is_label=False)
        if posterior is None:
            self.inner = stochastic_network(inner, latent_dim, prior, None, likelihood)
        else:
            blind = partial(Ignore, conditional=posterior, keep=1 + len(spec.given))
            self.inner = single_layer(inner, latent_dim, prior, blind, likelihood)
        self.code_shapes = self.inner.code_shapes

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


def _check_baseline(baseline: Densities, spec: Spec) -> Densities:
    """The baseline; raises Refusal where it has latents, or was trained on other data."""
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
    return baseline
