"""p(y) p(z2 | y) p(z1 | y, z2) p(x | z1): M2 on the codes of a frozen M1 (M1+M2 of Kingma et al. 2014, section 2.1).

Shapes: S = samples, B = data, C = classes, D1 and D = dimensions of z1 and z2.
"""

from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.distributions import Distribution

from elbolab.batch import Spec, Support
from elbolab.densities.base import Densities, Styled
from elbolab.densities.checks import example_terms, is_discrete
from elbolab.densities.class_terms import ClassTerms, Enumerating
from elbolab.densities.frozen import freeze
from elbolab.densities.labelled import Labelled, check_classes
from elbolab.densities.terms import AtDraw, Sampled, Terms, Undefined
from elbolab.distributions.conditional import MakeConditional


class Lower(NamedTuple):
    """A draw of z1 and what the lower model says of it.

    Attributes:
        z: z1 ~ q(z1 | x), (*S, B, D1).
        log_q: log q(z1 | x), (*S, B).
        log_lik: log p(x | z1), (*S, B).
    """

    z: Tensor
    log_q: Tensor
    log_lik: Tensor


@final
class Stacked(Enumerating, Styled):
    """A class and a style above the codes of a frozen VAE.

    Every use draws z1 ~ q(z1 | x) anew, so training sees new codes in every minibatch. The lower model stays as it was
    trained: no gradient, no training mode. What is a bound on log p(z1) for the upper model makes one on log p(x)::

        log p(x) >= E_q(z1|x) [log p(x | z1) - log q(z1 | x) - U(z1)]

    The code of a datum is that of the upper model at the mean of q(z1 | x).

    Args:
        spec: what is known of the data; they have classes.
        latent_dim: D, dimensions of z2.
        prior: recipe of p(z2 | y).
        posterior: recipe of q(z2 | z1, y).
        likelihood: recipe of p(z1 | y, z2).
        classifier: recipe of q(y | z1).
        learn_class_prior: see `Labelled`.
        class_chunk: see `Labelled`.
        m1: the lower model, with one layer of continuous latents; ``pretrained.m1`` names the run.

    Raises:
        ValueError: a missing M1, one of other data or another kind; see also `Labelled`.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        prior: MakeConditional | None,
        posterior: MakeConditional | None,
        likelihood: MakeConditional,
        classifier: MakeConditional,
        learn_class_prior: bool = False,
        class_chunk: int | None = None,
        m1: Densities | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        check_classes(spec)
        self.m1 = freeze(check_lower(m1, spec))
        codes = Spec(self.m1.latent_shape, Support.REAL, classes=spec.classes)
        parts = (prior, posterior, likelihood, classifier)
        self.m2 = Labelled(codes, latent_dim, *parts, learn_class_prior=learn_class_prior, class_chunk=class_chunk)
        self.latent_shape, self.class_dim = self.m2.latent_shape, self.m2.class_dim

    # -- the bound ----------------------------------------------------------------------------------------------------

    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """The bound on log p(x) at draws of z1, y and z2.

        A proposal draws all of them: z1 and, side by side with it, the upper model's code.
        """
        if proposal is not None:
            code = proposal.sample(sample_shape)
            z, above = code.tensor_split([self.m1.latent_shape[0]], dim=-1)
            log_p = self.m2.decode(above).log_prob(z) + self.m2.log_prior(above)
            return Terms(self.m1.decode(z).log_prob(x), (AtDraw(code, proposal.log_prob(code), log_p),))
        lower = self._lower(x, sample_shape)
        upper = self.m2.terms(lower.z)
        return Terms(lower.log_lik, (*upper.latents, AtDraw(lower.z, lower.log_q, upper.log_lik)))

    def draw(self, x: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        """z1 ~ q(z1 | x) beside codes of the upper model that are drawn at it, and their log-density."""
        z = self._lower(x, levels.shape[:1])
        above, log_q = self.m2.draw(z.z, levels)
        return torch.cat([z.z, above], dim=-1), z.log_q + log_q

    def class_terms(self, x: Tensor) -> ClassTerms:
        """The bound at every class, (C, B), all at one draw of z1."""
        lower = self._lower(x)
        return _above(lower, self.m2.class_terms(lower.z))

    def labelled_terms(self, x: Tensor, y: Tensor) -> ClassTerms:
        """The bound at the labels, (B,)."""
        lower = self._lower(x)
        return _above(lower, self.m2.labelled_terms(lower.z, y))

    @torch.no_grad()
    def _lower(self, x: Tensor, sample_shape: tuple[int, ...] = ()) -> Lower:
        """A draw from the frozen model."""
        terms = self.m1.terms(x, sample_shape=sample_shape)
        latent = _only_latent(terms)
        return Lower(latent.z, latent.q.log_prob(latent.z), terms.log_lik)

    @torch.no_grad()
    def _code(self, x: Tensor) -> Tensor:
        """The mean of q(z1 | x)."""
        return self.m1.encode(x)

    # -- codes and pictures -------------------------------------------------------------------------------------------

    def generate(self, num: int, *given: Tensor) -> Distribution:
        """p(x | z1) at draws of y, z2 and z1 from their priors."""
        return self.m1.decode(self.m2.generate(num).sample())

    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """The style z2 and the most probable class, one-hot: (B, D + C)."""
        return self.m2.encode(self._code(x))

    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | z1) at the mean of p(z1 | y, z2)."""
        return self.m1.decode(self.m2.decode(z).mean)

    def log_class_probs(self, x: Tensor) -> Tensor:
        """Log q(y | z1) at the mean of q(z1 | x), (B, C)."""
        return self.m2.log_class_probs(self._code(x))

    def style(self, x: Tensor) -> Tensor:
        """The mean of q(z2 | z1, y) at the most probable class."""
        return self.m2.style(self._code(x))

    def style_prior(self, y: Tensor) -> Distribution:
        """p(z2 | y)."""
        return self.m2.style_prior(y)

    def restyle(self, z: Tensor, y: Tensor) -> Distribution:
        """p(x | z1) at the mean of p(z1 | y, z2)."""
        return self.m1.decode(self.m2.restyle(z, y).mean)

    def generate_of(self, y: Tensor) -> Distribution:
        """p(x | z1) at draws of z2 and of z1 ~ p(z1 | y, z2)."""
        return self.m1.decode(self.m2.generate_of(y).sample())

    def initialise_to_mean(self, mean: Tensor) -> None:
        """Nothing: what reads x is trained, and codes have a mean near 0."""


def _above(lower: Lower, upper: ClassTerms) -> ClassTerms:
    """The terms of log p(x, y) from those of log p(z1, y): z1 costs log q(z1 | x) - log p(z1 | y, z2)."""
    log_lik = lower.log_lik.expand_as(upper.log_lik)
    return ClassTerms(upper.log_q, upper.log_p, log_lik, upper.kl + lower.log_q - upper.log_lik)


def _only_latent(terms: Terms) -> Sampled:
    """Raises Undefined unless there is one latent with a density."""
    match terms.latents:
        case (Sampled() as latent,):
            return latent
    raise Undefined("it needs one layer of latents with a density")


def check_lower(m1: Densities | None, spec: Spec) -> Densities:
    """The lower model.

    Raises:
        ValueError: it is missing, of other data, or has no single layer of continuous latents.
    """
    mend = "set pretrained.m1 to a run, or to an experiment, of model=m1 or model=vae"
    if m1 is None:
        raise ValueError(f"M1+M2 stands on a trained M1: {mend}")
    if m1.spec.x != spec.x or m1.spec.support != spec.support or m1.spec.given:
        raise ValueError(
            f"pretrained.m1 is a model of other data: it has {m1.spec}, this run {spec}. {mend[0].upper()}{mend[1:]} "
            "on the same data"
        )
    try:
        continuous = not is_discrete(_only_latent(example_terms(m1)).q)
    except Undefined:
        continuous = False
    if not continuous:
        raise ValueError(f"pretrained.m1 ({type(m1).__name__}) has no single layer of continuous latents: {mend}")
    return m1
