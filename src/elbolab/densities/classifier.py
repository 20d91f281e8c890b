"""q(y | x) alone: what a semi-supervised model is compared with. It says nothing of x, so it has no bound."""

from typing import NoReturn, final

from torch import Tensor
from torch.distributions import Distribution

from elbolab.batch import Spec
from elbolab.densities.base import Classifying
from elbolab.densities.checks import check_classifier
from elbolab.densities.labelled import check_classes
from elbolab.densities.terms import Terms, Undefined
from elbolab.distributions.conditional import MakeConditional


@final
class Classifier(Classifying):
    """A classifier. Its code is q(y | x).

    Args:
        spec: what is known of the data; they have classes.
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
        for name, part in (("prior", prior), ("posterior", posterior), ("likelihood", likelihood)):
            if part is not None:
                raise ValueError(f"a classifier has no {name}: choose {name}=none, or model=m2")
        self.spec = spec
        self.class_dim = check_classes(spec)
        self.latent_shape = (self.class_dim,)
        self.classifier = classifier((spec.x,), self.latent_shape)
        check_classifier(self.classifier, spec)

    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """Raises Undefined."""
        return _no_density()

    def generate(self, num: int, *given: Tensor) -> Distribution:
        """Raises Undefined."""
        return _no_density()

    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """q(y | x), (B, C)."""
        return self.log_class_probs(x).exp()

    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """Raises Undefined."""
        return _no_density()

    def log_class_probs(self, x: Tensor) -> Tensor:
        """Log q(y | x), (B, C)."""
        return self.classifier(x).logits

    def initialise_to_mean(self, mean: Tensor) -> None:
        """Nothing: no part of it has the mean of the data."""


def _no_density() -> NoReturn:
    raise Undefined("a classifier has no density of x")
