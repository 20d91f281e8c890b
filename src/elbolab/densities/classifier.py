"""The classifier q(y | x) alone: a baseline for semi-supervised models, without density of x and so without ELBO."""

from typing import final

from torch import Tensor
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec
from elbolab.densities.capabilities import Classifying
from elbolab.densities.checks import check_classes, check_classifier, refuse_part
from elbolab.densities.latents import Latent, Latents, Undefined
from elbolab.distributions.conditional import MakeConditional
from elbolab.distributions.drawing import Draw, sample


@final
class Classifier(Classifying):
    """A classifier. Its code is q(y | x).

    Args:
        spec: the description of the data, which must have classes.
        classifier: recipe of q(y | x), a `Head` of the family `OneHot`.
        prior: None; anything else is refused, as are a posterior and a likelihood.
        posterior: None.
        likelihood: None.

    Raises:
        ValueError: data without classes or with conditions, or a part of a density of x.
    """

    def __init__(
        self,
        spec: Spec,
        classifier: MakeConditional,
        prior: MakeConditional | None = None,
        posterior: MakeConditional | None = None,
        likelihood: MakeConditional | None = None,
    ) -> None:
        super().__init__()
        refuse_part(prior, "a classifier has no prior", "prior", "m2")
        refuse_part(posterior, "a classifier has no posterior", "posterior", "m2")
        refuse_part(likelihood, "a classifier has no likelihood", "likelihood", "m2")
        self.spec = spec
        self.class_dim = check_classes(spec)
        self.code_shapes = ((self.class_dim,),)
        self.classifier = classifier((spec.x,), (self.class_dim,))
        check_classifier(self.classifier, spec)

    @override
    def infer(self, x: Tensor, *given: Tensor, shape: Shape = (), draw: Draw = sample) -> Latents:
        probs = self.log_class_probs(x).exp()
        return Latents([Latent(probs.expand(*shape, *probs.shape), is_class=True)])

    @override
    def imagine(self, shape: Shape, *given: Tensor, top: tuple[Tensor, ...] = (), draw: Draw = sample) -> Latents:
        raise Undefined("a classifier has no density of x, and nothing to draw from")

    @override
    def likelihood_of(self, latents: Latents, *given: Tensor) -> Distribution:
        raise Undefined("a classifier has no density of x")

    @override
    def log_class_probs(self, x: Tensor) -> Tensor:
        return self.classifier(x).logits

    @override
    def initialise(self, data: Batch, mean: Tensor) -> None:
        """Does nothing: a classifier has no parameters that are initialised from the data."""
