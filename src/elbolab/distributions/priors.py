"""Priors beyond the standard normal. A learned prior p(z | c) needs nothing of its own: it is a `Head` on c."""

from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, MixtureSameFamily, Normal
from typing_extensions import override

from elbolab.batch import Shape, Spec
from elbolab.common.refusal import Refusal, change, choose
from elbolab.distributions.conditional import Conditional, lead_of


@final
class Mixture(Conditional):
    """sum_m w_m N(loc_m, diag(scale_m^2)) with learned weights, locations and scales, whatever the parents.

    Args:
        parents: shapes of the parents; only their leading dimensions matter.
        event: shape of one draw.
        num_components: M.
        spread: standard deviation of the initial locations, so that components differ; the initial scales are 1.

    Raises:
        ValueError: fewer than one component, or a negative spread.
    """

    def __init__(self, parents: tuple[Shape, ...], event: Shape, num_components: int, spread: float) -> None:
        super().__init__()
        if num_components < 1 or spread < 0:
            raise ValueError(
                f"prior num_components={num_components}, spread={spread}: at least one component, spread not negative"
            )
        self.parents = parents
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.loc = nn.Parameter(spread * torch.randn(num_components, *event))
        self.log_scale = nn.Parameter(torch.zeros(num_components, *event))

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        components = Independent(Normal(self.loc, self.log_scale.exp()), self.loc.dim() - 1)
        mixture = MixtureSameFamily(Categorical(logits=self.logits), components)
        return mixture.expand(lead_of(parents, self.parents))


CENTRES = "a prior with a centre for each class needs class labels as its condition"
INSTEAD_OF_CENTRES = change("data.given", "labels"), choose("prior", "conditional_normal", "standard_normal")


@final
class ClassCentres(Conditional):
    """N(mu_c, I) with a learned centre for each class c; its one parent is a label as a one-hot vector.

    Other vectors have no class, whatever their length: `check_centres` refuses them.

    Args:
        parents: the shape of the label, ((C,),).
        event: shape of one draw.
        spread: standard deviation of the initial centres; at 0 every class starts from N(0, I).

    Raises:
        ValueError: no parents, several, or one that is no vector; or a negative spread.
    """

    one: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape, spread: float) -> None:
        super().__init__()
        match parents:
            case ((num_classes,),):
                self.centres = nn.Parameter(spread * torch.randn(num_classes, *event))
            case _:
                raise Refusal(f"{CENTRES}, and the conditions have shapes {list(parents)}", *INSTEAD_OF_CENTRES)
        if spread < 0:
            raise ValueError(f"prior spread={spread}: must not be negative")
        self.register_buffer("one", torch.ones(event), persistent=False)

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        (label,) = parents
        loc = (label @ self.centres.flatten(1)).unflatten(-1, self.one.shape)
        return Independent(Normal(loc, self.one.expand_as(loc)), self.one.dim())


def check_centres(prior: Conditional, spec: Spec) -> None:
    """Raises a Refusal where centres of classes are chosen by what is no label."""
    if any(isinstance(part, ClassCentres) for part in prior.modules()) and not spec.given_is_label:
        raise Refusal(f"{CENTRES}, and the condition of these data is no label", *INSTEAD_OF_CENTRES)


@final
class FixedBernoulli(Conditional):
    """Independent Bernoulli variables of one probability, whatever the parents.

    Args:
        parents: shapes of the parents; only their leading dimensions matter.
        event: shape of one draw.
        probability: of a 1, inside (0, 1).

    Raises:
        ValueError: the probability is not inside (0, 1).
    """

    probs: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape, probability: float) -> None:
        super().__init__()
        if not 0 < probability < 1:
            raise ValueError(f"prior probability={probability}: choose one inside (0, 1)")
        self.parents = parents
        self.register_buffer("probs", torch.full(event, probability), persistent=False)

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        factors = Independent(Bernoulli(probs=self.probs), self.probs.dim())
        return factors.expand(lead_of(parents, self.parents))


@final
class ScaledNormal(Conditional):
    """N(0, scale^2 I), whatever the parents.

    Args:
        parents: shapes of the parents; only their leading dimensions matter.
        event: shape of one draw.
        scale: standard deviation of every coordinate.

    Raises:
        ValueError: the scale is not positive.
    """

    zero: Tensor
    scale: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape, scale: float) -> None:
        super().__init__()
        if not scale > 0:
            raise ValueError(f"prior scale={scale}: a standard deviation is positive")
        self.parents = parents
        self.register_buffer("zero", torch.zeros(event), persistent=False)
        self.register_buffer("scale", torch.full(event, float(scale)), persistent=False)

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        normal = Independent(Normal(self.zero, self.scale), self.zero.dim())
        return normal.expand(lead_of(parents, self.parents))
