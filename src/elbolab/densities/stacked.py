"""p(y) p(z2 | y) p(z1 | y, z2) p(x | z1): M2 on the codes of a frozen M1 (M1+M2 of Kingma et al. 2014, section 2.1).

Shapes: S = samples, B = data, C = classes, D1 and D = dimensions of z1 and z2.
"""

from dataclasses import replace
from typing import final

import torch
from torch import Tensor
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec, Support
from elbolab.densities.base import Densities
from elbolab.densities.checks import check_classes, check_lower
from elbolab.densities.class_terms import ClassTerms, Enumerating
from elbolab.densities.labelled import Labelled, labelled_layer
from elbolab.densities.latents import Draw, Latent, Latents, centre, sample
from elbolab.distributions.conditional import MakeConditional, Recipe


@final
class Stacked(Enumerating):
    """A class and a style above the codes of a frozen VAE.

    Every use draws z1 ~ q(z1 | x) anew, so training sees new codes in every minibatch. The lower model stays as it was
    trained: no gradient, no training mode. A bound on log p(z1) of the upper model gives one on log p(x)::

        log p(x) >= E_q(z1|x) [log p(x | z1) - log q(z1 | x) - U(z1)]

    The code of a datum is that of the upper model at the mean of q(z1 | x).

    Args:
        spec: what is known of the data.
        m1: the lower model, with one layer of continuous latents.
        m2: the upper model, whose data are z1.
    """

    def __init__(self, spec: Spec, m1: Densities, m2: Labelled) -> None:
        super().__init__()
        self.spec, self.m1, self.m2 = spec, m1.freeze(), m2
        self.code_shapes, self.class_dim = m2.code_shapes, m2.class_dim

    @override
    def infer(self, x: Tensor, *given: Tensor, shape: Shape = (), draw: Draw = sample) -> Latents:
        """Draws z1 ~ q(z1 | x), and y and z2 from the upper model's posterior at z1."""
        z1 = self._draw_lower(x, shape, draw)
        upper = self.m2.infer(z1.z, draw=draw)
        return Latents([*upper, replace(z1, p=self.m2.likelihood_of(upper), closed_form=False)])

    @override
    def imagine(self, shape: Shape, *given: Tensor, top: tuple[Tensor, ...] = (), draw: Draw = sample) -> Latents:
        upper = self.m2.imagine(shape, top=top[:2], draw=draw)
        p = self.m2.likelihood_of(upper)
        return Latents([*upper, Latent(top[2] if len(top) > 2 else draw(p, ()).z, p=p)])

    @override
    def likelihood_of(self, latents: Latents, *given: Tensor) -> Distribution:
        return self.m1.likelihood_of(Latents(latents[2:]))

    @override
    def initialise(self, data: Batch, mean: Tensor) -> None:
        """Does nothing: the lower model is trained, and its codes have a mean near 0."""

    @override
    def log_class_probs(self, x: Tensor) -> Tensor:
        """Log q(y | z1) at the mean of q(z1 | x), (B, C)."""
        return self.m2.log_class_probs(self._draw_lower(x, (), centre).z)

    # -- the bound at given classes -----------------------------------------------------------------------------------

    @override
    def class_terms(self, x: Tensor) -> ClassTerms:
        """The bound at every class, (C, B), all at one draw of z1."""
        z1 = self._draw_lower(x, (), sample)
        return self._terms_above(x, z1, self.m2.class_terms(z1.z))

    @override
    def labelled_terms(self, x: Tensor, y: Tensor) -> ClassTerms:
        z1 = self._draw_lower(x, (), sample)
        return self._terms_above(x, z1, self.m2.labelled_terms(z1.z, y))

    @torch.no_grad()
    def _draw_lower(self, x: Tensor, shape: Shape, draw: Draw) -> Latent:
        """z1 of the frozen model, (*S, B, D1)."""
        return self.m1.infer(x, shape=shape, draw=draw).only()

    def _terms_above(self, x: Tensor, z1: Latent, upper: ClassTerms) -> ClassTerms:
        """The terms of log p(x, y) from those of log p(z1, y): z1 costs log q(z1 | x) - log p(z1 | y, z2)."""
        with torch.no_grad():
            log_lik, log_q = self.m1.score(x, Latents([z1])).log_lik, z1.log_q
        rate = upper.rate + log_q - upper.log_lik
        return ClassTerms(upper.log_q, upper.log_p, log_lik.expand_as(upper.log_lik), rate, upper.penalty)


def stacked_layers(
    spec: Spec,
    latent_dim: int,
    prior: Recipe,
    posterior: Recipe,
    likelihood: Recipe,
    classifier: MakeConditional,
    posterior_sees_conditions: bool = True,
    learn_class_prior: bool = False,
    class_chunk: int | None = None,
    m1: Densities | None = None,
) -> Stacked:
    """A class and a style z2 above the codes z1 of ``m1``, which was trained before (``pretrained.m1``).

    The recipes are those of `labelled_layer`, with z1 in the place of x.
    """
    check_classes(spec)
    lower = check_lower(m1, spec)
    codes = Spec(lower.latent_shape, Support.REAL, classes=spec.classes)
    parts = (prior, posterior, likelihood, classifier)
    options = (posterior_sees_conditions, learn_class_prior, class_chunk)
    return Stacked(spec, lower, labelled_layer(codes, latent_dim, *parts, *options))
