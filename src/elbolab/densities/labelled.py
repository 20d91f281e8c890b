"""p(y) p(z | y) p(x | y, z) with q(y | x) q(z | x, y): a class and a style (M2 of Kingma et al. 2014, Eq. 2 and 4).

Shapes: S = samples, B = data, C = classes, D = latent dimensions. A class is a one-hot vector (C,).
"""

from collections.abc import Callable
from typing import TypeVar, final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, OneHotCategorical
from torch.utils.checkpoint import checkpoint
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec
from elbolab.densities.base import initialise_heads
from elbolab.densities.checks import check_chunk, check_classes, check_classifier
from elbolab.densities.class_terms import ClassTerms, Enumerating
from elbolab.densities.latents import Draw, Latent, Latents, sample
from elbolab.densities.layer import single_layer
from elbolab.distributions.conditional import Conditional, MakeConditional, Recipe

T = TypeVar("T")


@final
class Labelled(Enumerating):
    """A conditional VAE whose condition, the class, is a latent variable.

    The code of a datum is the mean of q(z | x, y) at its most probable class, followed by that class, one-hot, which is
    all that p(x | y, z) reads. So codes can be decoded, interpolated and probed like those of any model.

    Args:
        spec: what is known of the data; they have classes.
        latent_dim: D, dimensions of z.
        prior: p(z | y).
        posterior: q(z | x, y); one that does not read y draws the same z for all classes.
        likelihood: p(x | y, z).
        classifier: q(y | x).
        learn_class_prior: whether p(y) is learned; else it is uniform.
        class_chunk: classes whose likelihoods are in memory at once, and computed anew for their gradient; None for
            all, and nothing computed twice.
    """

    classes: Tensor

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        prior: Conditional,
        posterior: Conditional,
        likelihood: Conditional,
        classifier: Conditional,
        learn_class_prior: bool = False,
        class_chunk: int | None = None,
    ) -> None:
        super().__init__()
        self.spec, self.num_classes = spec, len(spec.classes)
        self.code_shapes, self.class_dim = ((self.num_classes,), (latent_dim,)), self.num_classes
        self.prior, self.posterior, self.likelihood, self.classifier = prior, posterior, likelihood, classifier
        self.register_buffer("classes", torch.eye(self.num_classes), persistent=False)
        logits = torch.zeros(self.num_classes)
        self.class_logits = nn.Parameter(logits) if learn_class_prior else nn.Buffer(logits, persistent=False)
        self.class_chunk = class_chunk

    @override
    def infer(self, x: Tensor, *given: Tensor, shape: Shape = (), draw: Draw = sample) -> Latents:
        """Draws y ~ q(y | x) and z ~ q(z | x, y); the mean of this bound over y is that of `sum_over_classes`."""
        y = Latent.drawn(draw, shape, self.classifier(x), self.class_prior, is_class=True)
        return Latents([y, self._infer_style(x, y.z, draw)])

    @override
    def imagine(self, shape: Shape, *given: Tensor, top: tuple[Tensor, ...] = (), draw: Draw = sample) -> Latents:
        y = Latent(top[0] if top else draw(self.class_prior, shape).z, p=self.class_prior, is_class=True)
        p = self.prior(y.z)
        return Latents([y, Latent(top[1] if len(top) > 1 else draw(p, ()).z, p=p)])

    @override
    def likelihood_of(self, latents: Latents, *given: Tensor) -> Distribution:
        y, style = latents
        return self.likelihood(style.z, y.z)

    @override
    def initialise(self, data: Batch, mean: Tensor) -> None:
        initialise_heads(self.likelihood, mean)

    def _infer_style(self, x: Tensor, y: Tensor, draw: Draw = sample) -> Latent:
        """Z ~ q(z | x, y), one for each of y (*S, B, C), also where q does not read y."""
        return Latent.drawn(draw, (), self.posterior(x, y).expand(y.shape[:-1]), self.prior(y))

    @property
    def class_prior(self) -> OneHotCategorical:
        """p(y)."""
        return OneHotCategorical(logits=self.class_logits)

    @override
    def log_class_probs(self, x: Tensor) -> Tensor:
        return self.classifier(x).logits

    # -- the bound at given classes -----------------------------------------------------------------------------------

    @override
    def class_terms(self, x: Tensor) -> ClassTerms:
        """The bound at every class, with a draw of z for each; all classes share one draw where q(z | x) ignores y."""
        y = self.classes[:, None].expand(-1, len(x), -1)
        q = self._recompute(self.posterior, x, y)
        z = sample(q).z.expand(*y.shape[:2], -1)
        style = Latent(z, q.expand(y.shape[:2]), self.prior(y))
        log_q, log_p = self.log_class_probs(x).T, self.class_prior.logits[:, None]
        size = self.class_chunk or self.num_classes
        parts = zip(z.split(size), y.split(size), strict=True)
        log_lik = torch.cat([self._recompute(lambda z, y: self.likelihood(z, y).log_prob(x), *part) for part in parts])
        return ClassTerms(log_q, log_p, log_lik, style.kl, style.penalty)

    @override
    def labelled_terms(self, x: Tensor, y: Tensor) -> ClassTerms:
        """The bound at the labels: that of a conditional VAE, and log p(y)."""
        one_hot = self.classes[y]
        style = self._infer_style(x, one_hot)
        log_lik = self.likelihood(style.z, one_hot).log_prob(x)
        log_q, log_p = (p.log_prob(one_hot) for p in (self.classifier(x), self.class_prior))
        return ClassTerms(log_q, log_p, log_lik, style.kl, style.penalty)

    def _recompute(self, function: Callable[..., T], *inputs: Tensor) -> T:
        """``function(*inputs)``; with chunks, its activations are computed again for the gradient instead of kept.

        The function draws nothing, so the generator's state need not be restored, which a captured step could not do.
        """
        if self.class_chunk is None:
            return function(*inputs)
        return checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)  # type: ignore[return-value]


def labelled_layer(
    spec: Spec,
    latent_dim: int,
    prior: Recipe,
    posterior: Recipe,
    likelihood: Recipe,
    classifier: MakeConditional,
    posterior_sees_conditions: bool = True,
    learn_class_prior: bool = False,
    class_chunk: int | None = None,
) -> Labelled:
    """A class and a style of data with classes.

    The condition is the class: where the posterior does not see it, all classes share the draws of q(z | x). The
    classifier q(y | x) is a `Head` of `OneHot`.
    """
    of_class = spec._replace(given=((check_classes(spec),),), given_is_label=True)
    layer = single_layer(of_class, latent_dim, prior, posterior, likelihood, posterior_sees_conditions)
    assert layer.prior is not None, "`single_layer` has refused it"
    assert layer.posterior is not None, "`single_layer` has refused it"
    q = classifier((spec.x,), of_class.given[0])
    check_classifier(q, spec)
    if class_chunk is not None:
        parts = ((layer.posterior, spec.x), (layer.likelihood, layer.latent_shape))
        check_chunk(class_chunk, [(part, (parent, *of_class.given)) for part, parent in parts])
    return Labelled(spec, latent_dim, layer.prior, layer.posterior, layer.likelihood, q, learn_class_prior, class_chunk)
