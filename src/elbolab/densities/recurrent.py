"""A conditional model that looks at a first guess of what it predicts (Sohn et al. 2015, section 4, figure 1d)."""

from functools import partial
from typing import final

import torch
from torch import Tensor
from torch.distributions import Distribution

from elbolab.batch import Spec
from elbolab.densities.base import Densities, Guessing
from elbolab.densities.checks import check_given
from elbolab.densities.frozen import freeze, needed
from elbolab.densities.regression import Regression
from elbolab.densities.single_layer import SingleLayer
from elbolab.densities.stochastic import StochasticNetwork
from elbolab.densities.terms import Terms
from elbolab.distributions.conditional import Ignore, MakeConditional

MEND = "name a run or an experiment of model=regression (sohn2015/quadrant1_nn, say)"


@final
class Recurrent(Guessing):
    """p(z | c, g) p(x | z, c, g) with q(z | x, c), where g = E[x | c] is the guess of a baseline that is at rest.

    The baseline receives no gradient and works as in evaluation, whatever the mode of the model around it.

    Args:
        spec: what is known of the data.
        latent_dim: D, dimensions of z.
        prior: recipe of p(z | c, g); one that looks at nothing makes z independent of c.
        posterior: recipe of q(z | x, c): the guess would tell it nothing that c does not. None: that of the prior, see
            `StochasticNetwork`.
        likelihood: recipe of p(x | z, c, g).
        baseline: a trained p(x | c) of the same data.

    Raises:
        ValueError: no conditions, or a baseline of another kind or of other data; see also `SingleLayer`.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        prior: MakeConditional | None,
        posterior: MakeConditional | None,
        likelihood: MakeConditional,
        baseline: Densities,
    ) -> None:
        super().__init__()
        check_given(spec, "a model that looks at a first guess")
        self.spec = spec
        self.baseline = freeze(_checked(baseline, spec))
        inner = spec._replace(given=(*spec.given, spec.x), given_is_label=False)
        if posterior is None:
            self.inner: Densities = StochasticNetwork(inner, latent_dim, prior, None, likelihood)
        else:
            blind = partial(Ignore, conditional=posterior, keep=1 + len(spec.given))
            self.inner = SingleLayer(inner, latent_dim, prior, blind, likelihood)
        self.latent_shape = self.inner.latent_shape

    def first_guess(self, *given: Tensor) -> Tensor:
        """E[x | c] of the baseline, (*S, B, *event)."""
        with torch.no_grad():
            return self.baseline.predict(*given).mean

    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """Those of the inner model, which is given the guess too."""
        return self.inner.terms(x, *given, self.first_guess(*given), sample_shape=sample_shape, proposal=proposal)

    def generate(self, num: int, *given: Tensor) -> Distribution:
        """p(x | z, c, g) at draws z ~ p(z | c, g)."""
        return self.inner.generate(num, *given, self.first_guess(*given))

    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """The mean of q(z | x, c)."""
        return self.inner.encode(x, *given, self.first_guess(*given))

    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | z, c, g)."""
        return self.inner.decode(z, *given, self.first_guess(*given))

    def initialise_to_mean(self, mean: Tensor) -> None:
        """Hands the mean to the inner model; the baseline stays as it was trained."""
        self.inner.initialise_to_mean(mean)


def _checked(baseline: Densities, spec: Spec) -> Regression:
    """The baseline itself."""
    regression = needed(baseline, Regression, "pretrained.baseline", MEND)
    there, here = ((s.x, s.given, s.canvas) for s in (regression.spec, spec))
    if there != here:
        raise ValueError(
            f"the baseline was trained on data of shape {there[0]} with conditions {there[1]}, and these have "
            f"{here[0]} and {here[1]}: take the same data, data.given and data.quadrants for both"
        )
    return regression
