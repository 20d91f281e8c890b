"""Corruptions of data, and posteriors that see corrupted data while training (Vincent et al. 2010; Im et al. 2017).

Every corruption maps (*S, B, *event) to the same shape with noise from torch's global generator.
"""

from collections.abc import Callable
from functools import partial
from operator import sub
from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Shape, Spec, Support
from elbolab.common.refusal import Refusal, choose
from elbolab.distributions.conditional import Conditional, MakeConditional

ANY = frozenset(Support)
BOUNDED = frozenset({Support.BINARY, Support.UNIT})
"""Where 0 and 1 are the ends of the scale, black and white."""

BEST = {
    Support.BINARY: ("bit_flip", "salt_and_pepper", "masking"),
    Support.UNIT: ("gaussian_noise", "masking", "salt_and_pepper"),
    Support.REAL: ("gaussian_noise", "masking"),
}
"""Corruptions that suit each kind of data, the best first."""


@final
class Corruption(nn.Module):
    """x -> a draw of x~ given x.

    Args:
        name: what it is called as an option.
        draw: (*S, B, *event) -> the same shape; every element has its own noise, also of an expanded x.
        supports: the kinds of data that it is noise of.
    """

    def __init__(self, name: str, draw: Callable[[Tensor], Tensor], supports: frozenset[Support] = ANY) -> None:
        super().__init__()
        self.name, self.draw, self.supports = name, draw, supports

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.draw(x)


MakeCorruption = Callable[[], Corruption]


def gaussian_noise(scale: float) -> Corruption:
    """X + N(0, scale^2), not clipped; raises ValueError where the scale is negative."""
    if scale < 0:
        raise ValueError(f"corruption scale={scale}: a standard deviation is not negative")
    return Corruption("gaussian_noise", partial(_add_noise, scale))


def masking(probability: float) -> Corruption:
    """Sets each element to 0 with this probability."""
    return _replacing("masking", probability, torch.zeros_like, ANY)


def salt_and_pepper(probability: float) -> Corruption:
    """Sets each element with this probability to 0 or 1, whichever a fair coin says: pixels to black or white."""
    return _replacing("salt_and_pepper", probability, partial(_toss, 0.5), BOUNDED)


def bit_flip(probability: float) -> Corruption:
    """X -> 1 - x for each element with this probability: the natural noise of binary data."""
    return _replacing("bit_flip", probability, partial(sub, 1), frozenset({Support.BINARY}))


def im2017(probability: float) -> Corruption:
    """Replaces each element with this probability p by a draw from Bernoulli(p): near masking where p is small.

    It is what the code of Im et al. (2017) does under the name of salt and pepper, whose replacements would be fair.
    A Bernoulli draws binary data, and replaces no others.
    """
    return _replacing("im2017", probability, partial(_toss, probability), frozenset({Support.BINARY}))


def _replacing(
    name: str, probability: float, other: Callable[[Tensor], Tensor], supports: frozenset[Support]
) -> Corruption:
    """Replaces each element with this probability by that of ``other``; raises ValueError outside [0, 1]."""
    if not 0 <= probability <= 1:
        raise ValueError(f"corruption probability={probability}: a probability lies in [0, 1]")
    return Corruption(name, partial(_replace, probability, other), supports)


def _replace(probability: float, other: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    replacement = other(x)  # which draws first
    return torch.where(torch.rand_like(x) < probability, replacement, x)


def _toss(probability: float, x: Tensor) -> Tensor:
    return (torch.rand_like(x) < probability).to(x.dtype)


def _add_noise(scale: float, x: Tensor) -> Tensor:
    return x + scale * torch.randn_like(x)


def build_corruption(corruption: MakeCorruption | None) -> Corruption:
    """The corruption of a denoising model; raises a Refusal where there is no recipe."""
    if corruption is None:
        raise Refusal(
            "a denoising model needs a corruption", choose("corruption", "bit_flip"), choose("model", "vae", "ae")
        )
    return corruption()


def check_corruptions(module: nn.Module, spec: Spec) -> None:
    """Raises a Refusal where a corruption within ``module`` is none of this data."""
    for part in module.modules():
        if isinstance(part, Corruption) and spec.support not in part.supports:
            kinds = " or ".join(support.words for support in Support if support in part.supports)
            raise Refusal(
                f"{part.name} is a corruption of {kinds}, and these data are {spec.support.words}",
                choose("corruption", *BEST[spec.support]),
            )


@final
class Denoising(Conditional):
    """``posterior`` of a corrupted first parent in training mode, of the clean one in evaluation.

    It is for a code without a density, the denoising autoencoder's; a model with a bound is `densities.denoising`.

    Args:
        parents: shapes of the parents, x first.
        event: shape of one draw.
        corruption: recipe of the corruption, which is drawn anew at every call.
        posterior: recipe of the conditional that is wrapped.
    """

    def __init__(
        self, parents: tuple[Shape, ...], event: Shape, corruption: MakeCorruption | None, posterior: MakeConditional
    ) -> None:
        super().__init__()
        self.corruption = build_corruption(corruption)
        self.posterior = posterior(parents, event)

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        x, *given = parents
        return self.posterior(self.corruption(x) if self.training else x, *given)
