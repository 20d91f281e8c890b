"""The classifier q(y | x) alone: a baseline for semi-supervised models, without density of x and so without ELBO."""

from typing import final

from torch import Tensor
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec
from elbolab.densities.capabilities import Classifying
from elbolab.densities.checks import check_classes, check_classifier, refuse_part
from elbolab.densities.latents import Draw, Latent, Latents, Undefined, sample
from elbolab.distributions.conditional import Conditional, MakeConditional, Recipe


@final
class Classifier(Classifying):
    """A classifier. Its code is q(y | x).

    Args:
        spec: what is known of the data; they have classes.
        classifier: q(y | x), one-hot.
    """

    def __init__(self, spec: Spec, classifier: Conditional) -> None:
        super().__init__()
        self.spec, self.classifier = spec, classifier
        self.class_dim = len(spec.classes)
        self.code_shapes = ((self.class_dim,),)

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


def classification(
    spec: Spec,
    classifier: MakeConditional,
    prior: Recipe = None,
    posterior: Recipe = None,
    likelihood: Recipe = None,
) -> Classifier:
    """Q(y | x) of data with classes, by a recipe of a `Head` of the family `OneHot`; other parts are refused."""
    refuse_part(prior, "a classifier has no prior", "prior", "m2")
    refuse_part(posterior, "a classifier has no posterior", "posterior", "m2")
    refuse_part(likelihood, "a classifier has no likelihood", "likelihood", "m2")
    q = classifier((spec.x,), (check_classes(spec),))
    check_classifier(q, spec)
    return Classifier(spec, q)
