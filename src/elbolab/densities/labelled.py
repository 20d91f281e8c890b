"""p(y) p(z | y) p(x | y, z) with q(y | x) q(z | x, y): a class and a style (M2 of Kingma et al. 2014, Eq. 2 and 4).

Shapes: S = samples, B = data, C = classes, D = latent dimensions. A class is a one-hot vector (C,).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, OneHotCategorical
from torch.utils.checkpoint import checkpoint

from elbolab.batch import Spec
from elbolab.densities.base import Styled
from elbolab.densities.checks import check_classifier, check_noiseless
from elbolab.densities.class_terms import ClassTerms, Enumerating, class_at, spread_class_probs
from elbolab.densities.single_layer import SingleLayer
from elbolab.densities.terms import AtDraw, Sampled, Terms
from elbolab.distributions.conditional import MakeConditional

T = TypeVar("T")


@final
class Labelled(Enumerating, Styled):
    """A conditional VAE whose condition, the class, is a latent variable.

    The code of a datum is the mean of q(z | x, y) at its most probable class, followed by that class, one-hot: what
    p(x | y, z) reads. So codes are decoded, walked between and probed like those of any model.

    Args:
        spec: what is known of the data; they have classes.
        latent_dim: D, dimensions of z.
        prior: recipe of p(z | y).
        posterior: recipe of q(z | x, y); `Ignore` makes it q(z | x), whose draws all classes share.
        likelihood: recipe of p(x | y, z).
        classifier: recipe of q(y | x), a `Head` of the family `OneHot`.
        learn_class_prior: whether p(y) is learned; else it is uniform.
        class_chunk: classes whose likelihoods are in memory at once, and computed anew for their gradient; None for
            all, and nothing computed twice.

    Raises:
        ValueError: data without classes or with conditions, a missing classifier, class_chunk below 1 or networks
            that cannot be computed anew; see also `SingleLayer`.
    """

    classes: Tensor

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
    ) -> None:
        super().__init__()
        self.num_classes = check_classes(spec)
        classes = (self.num_classes,)
        self.spec = spec
        of_class = spec._replace(given=(classes,), given_is_label=True)
        self.conditional = SingleLayer(of_class, latent_dim, prior, posterior, likelihood)
        self.latent_shape = (latent_dim + self.num_classes,)
        self.latent_dim, self.class_dim = latent_dim, self.num_classes
        self.classifier = classifier((spec.x,), classes)
        check_classifier(self.classifier, spec)
        self.register_buffer("classes", torch.eye(self.num_classes), persistent=False)
        logits = torch.zeros(classes)
        self.class_logits = nn.Parameter(logits) if learn_class_prior else nn.Buffer(logits, persistent=False)
        self.class_chunk = class_chunk
        if class_chunk is not None:
            check_chunk(class_chunk, self.conditional)

    # -- the bound ----------------------------------------------------------------------------------------------------

    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """The bound on log p(x) at draws y ~ q(y | x) and z ~ q(z | x, y); its mean over y is `sum_over_classes`.

        A proposal draws both, z and the class side by side (D + C,), as a code has them.
        """
        if proposal is not None:
            code = proposal.sample(sample_shape)
            latent = AtDraw(code, proposal.log_prob(code), self.log_prior(code))
            return Terms(self.decode(code).log_prob(x), (latent,))
        q = self.classifier(x)
        y = q.sample(sample_shape)
        below = self._at(x, y)
        return replace(below, latents=(Sampled(y, q, self.class_prior), *below.latents))

    def draw(self, x: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Codes of a class at each level and z ~ q(z | x, y), (S, B, D + C), and their log-density, (S, B)."""
        log_probs = spread_class_probs(self.log_class_probs(x))
        y = self.classes[class_at(log_probs, levels)]
        q = self.conditional.posterior(x, y).expand(y.shape[:-1])
        z = q.rsample() if q.has_rsample else q.sample()
        return torch.cat([z, y], dim=-1), q.log_prob(z) + (y * log_probs).sum(-1)

    def log_prior(self, code: Tensor) -> Tensor:
        """Log p(y) p(z | y) at codes (*S, B, D + C)."""
        z, y = code.split([self.latent_dim, self.num_classes], dim=-1)
        return self.class_prior.log_prob(y) + self.conditional.prior(y).log_prob(z)

    def class_terms(self, x: Tensor) -> ClassTerms:
        """The bound at every class, one draw of z each; the draw is one for all classes where q(z | x) ignores y."""
        y = self.classes[:, None].expand(-1, len(x), -1)
        q = self._kept(self.conditional.posterior, x, y)
        z = (q.rsample() if q.has_rsample else q.sample()).expand(*y.shape[:2], -1)
        latent = Sampled(z, q.expand(y.shape[:2]), self.conditional.prior(y))
        log_q, log_p = self.log_class_probs(x).T, self.class_prior.logits[:, None]
        return ClassTerms(log_q, log_p, self._log_lik(x, z, y), latent.kl)

    def labelled_terms(self, x: Tensor, y: Tensor) -> ClassTerms:
        """The bound at the labels: that of a conditional VAE, and log p(y)."""
        one_hot = self.classes[y]
        terms = self.conditional.terms(x, one_hot)
        log_q, log_p = (p.log_prob(one_hot) for p in (self.classifier(x), self.class_prior))
        return ClassTerms(log_q, log_p, terms.log_lik, terms.rate)

    @property
    def class_prior(self) -> OneHotCategorical:
        """p(y)."""
        return OneHotCategorical(logits=self.class_logits)

    def _at(self, x: Tensor, y: Tensor) -> Terms:
        """The terms of log p(x | y), with a draw of z for each of y (*S, B, C)."""
        q = self.conditional.posterior(x, y).expand(y.shape[:-1])  # q(z | x) knows nothing of the draws of y
        return self.conditional.terms(x, y, proposal=q)

    def _log_lik(self, x: Tensor, z: Tensor, y: Tensor) -> Tensor:
        """Log p(x | y, z), (C, B), in chunks of classes."""
        size = self.class_chunk or self.num_classes
        parts = zip(z.split(size), y.split(size), strict=True)
        return torch.cat([self._kept(lambda z, y: self.restyle(z, y).log_prob(x), *part) for part in parts])

    def _kept(self, function: Callable[..., T], *inputs: Tensor) -> T:
        """``function(*inputs)``; with chunks, its activations are not kept for the gradient but computed anew.

        All draws are made outside, so no state of a generator has to be put back, which a captured step could not.
        """
        if self.class_chunk is None:
            return function(*inputs)
        return checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)  # type: ignore[return-value]

    # -- codes and pictures -------------------------------------------------------------------------------------------

    def generate(self, num: int, *given: Tensor) -> Distribution:
        """p(x | y, z) at draws of y and z from their priors."""
        return self.generate_of(self.class_prior.sample((num,)))

    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """The style and the most probable class, one-hot: (B, D + C)."""
        y = self.classes[self.log_class_probs(x).argmax(-1)]
        return torch.cat([self.conditional.encode(x, y), y], dim=-1)

    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | y, z) at codes (*S, B, D + C)."""
        style, y = z.split([self.latent_dim, self.num_classes], dim=-1)
        return self.restyle(style, y)

    def log_class_probs(self, x: Tensor) -> Tensor:
        """Log q(y | x), (B, C)."""
        return self.classifier(x).logits

    def style(self, x: Tensor) -> Tensor:
        """The mean of q(z | x, y) at the most probable class."""
        return self.encode(x)[..., : self.latent_dim]

    def style_prior(self, y: Tensor) -> Distribution:
        """p(z | y)."""
        return self.conditional.prior(y)

    def restyle(self, z: Tensor, y: Tensor) -> Distribution:
        """p(x | y, z)."""
        return self.conditional.likelihood(z, y)

    def generate_of(self, y: Tensor) -> Distribution:
        """p(x | y, z) at draws from p(z | y)."""
        return self.restyle(self.style_prior(y).sample(), y)

    def initialise_to_mean(self, mean: Tensor) -> None:
        """Hands the mean to the likelihood's heads."""
        self.conditional.initialise_to_mean(mean)


def check_classes(spec: Spec) -> int:
    """The number of classes.

    Raises:
        ValueError: there are none, or the data come with conditions.
    """
    if spec.num_classes is None:
        raise ValueError("this model needs data with classes: choose labelled data (data=mnist), or model=vae")
    if spec.given:
        raise ValueError("this model infers the class itself and takes no conditions: choose data.given=none")
    return spec.num_classes


def check_chunk(class_chunk: int, conditional: SingleLayer) -> None:
    """Raises ValueError where the classes cannot be taken in chunks of that size."""
    if not isinstance(class_chunk, int) or class_chunk < 1:
        raise ValueError(f"densities.class_chunk={class_chunk}: at least one class, or null for all at once")
    for part, parents in (
        (conditional.posterior, (conditional.spec.x,)),
        (conditional.likelihood, ((conditional.latent_shape),)),
    ):
        check_noiseless(part, (*parents, *conditional.spec.given), "densities.class_chunk=null")
