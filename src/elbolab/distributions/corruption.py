"""Corruptions of data, and posteriors that see corrupted data while training (Vincent et al. 2010; Im et al. 2017).

Every corruption maps (*S, B, *event) to the same shape with noise from torch's global generator.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Shape, Spec, Support
from elbolab.distributions.conditional import Conditional, MakeConditional


class Corruption(nn.Module, ABC):
    """x -> a draw of x~ given x."""

    @property
    @abstractmethod
    def supports(self) -> frozenset[Support]:
        """The kinds of data that it is noise of."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """(*S, B, *event) -> the same shape; every element has its own noise, also of an expanded x."""


MakeCorruption = Callable[[], Corruption]

ANY = frozenset(Support)
BOUNDED = frozenset({Support.BINARY, Support.UNIT})
"""Where 0 and 1 are the ends of the scale, black and white."""

WORDS = {
    Support.BINARY: "binary data",
    Support.UNIT: "grey values in [0, 1]",
    Support.REAL: "real numbers",
}
MENDS = {
    Support.BINARY: "bit_flip, salt_and_pepper or masking",
    Support.UNIT: "gaussian_noise, masking or salt_and_pepper",
    Support.REAL: "gaussian_noise or masking",
}
"""What to choose instead."""


def required(corruption: MakeCorruption | None) -> MakeCorruption:
    """The recipe; raises ValueError where there is none."""
    if corruption is None:
        raise ValueError("a denoising model needs a corruption: choose e.g. corruption=bit_flip, or model=vae or ae")
    return corruption


def check_corruptions(module: nn.Module, spec: Spec) -> None:
    """Raises ValueError where a corruption within ``module`` is none of this data."""
    for part in module.modules():
        if isinstance(part, Corruption) and spec.support not in part.supports:
            kinds = " or ".join(WORDS[support] for support in Support if support in part.supports)
            raise ValueError(
                f"{type(part).__name__} is a corruption of {kinds}, and these data are {WORDS[spec.support]}: choose "
                f"corruption={MENDS[spec.support]}"
            )


def check_probability(probability: float) -> float:
    """The probability; raises ValueError outside [0, 1]."""
    if not 0 <= probability <= 1:
        raise ValueError(f"corruption probability={probability}: a probability lies in [0, 1]")
    return probability


@final
class GaussianNoise(Corruption):
    """x + N(0, scale^2), not clipped.

    Raises:
        ValueError: the scale is negative.
    """

    supports = ANY

    def __init__(self, scale: float) -> None:
        super().__init__()
        if scale < 0:
            raise ValueError(f"corruption scale={scale}: a standard deviation is not negative")
        self.scale = scale

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * torch.randn_like(x)


@final
class Masking(Corruption):
    """Sets each element to 0 with this probability.

    Raises:
        ValueError: the probability is outside [0, 1].
    """

    supports = ANY

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = check_probability(probability)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.where(torch.rand_like(x) < self.probability, torch.zeros_like(x), x)


@final
class SaltAndPepper(Corruption):
    """Sets each element with this probability to 0 or 1, whichever a fair coin says: pixels to black or white.

    Raises:
        ValueError: the probability is outside [0, 1].
    """

    supports = BOUNDED

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = check_probability(probability)

    @override
    def forward(self, x: Tensor) -> Tensor:
        coin = (torch.rand_like(x) < 0.5).to(x.dtype)
        return torch.where(torch.rand_like(x) < self.probability, coin, x)


@final
class BitFlip(Corruption):
    """x -> 1 - x for each element with this probability: the natural noise of binary data.

    Raises:
        ValueError: the probability is outside [0, 1].
    """

    supports = frozenset({Support.BINARY})

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = check_probability(probability)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.where(torch.rand_like(x) < self.probability, 1 - x, x)


@final
class Im2017(Corruption):
    """Replaces each element with this probability p by a draw from Bernoulli(p): near masking where p is small.

    It is what the code of Im et al. (2017) does under the name of salt and pepper, whose replacements would be fair.
    A Bernoulli draws binary data, and replaces no others.

    Raises:
        ValueError: the probability is outside [0, 1].
    """

    supports = frozenset({Support.BINARY})

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = check_probability(probability)

    @override
    def forward(self, x: Tensor) -> Tensor:
        coin = (torch.rand_like(x) < self.probability).to(x.dtype)
        return torch.where(torch.rand_like(x) < self.probability, coin, x)


@final
class Denoising(Conditional):
    """``posterior`` of a corrupted first parent in training mode, of the clean one in evaluation.

    It is for a code without a density, the denoising autoencoder's; a model with a bound is `densities.denoising`.

    Args:
        parents: shapes of the parents, x first.
        event: shape of one draw.
        corruption: recipe of the corruption.
        posterior: recipe of the conditional that is wrapped.

    Raises:
        ValueError: no corruption.
    """

    def __init__(
        self, parents: tuple[Shape, ...], event: Shape, corruption: MakeCorruption | None, posterior: MakeConditional
    ) -> None:
        super().__init__()
        self.corruption = required(corruption)()
        self.posterior = posterior(parents, event)

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        x, *given = parents
        return self.posterior(self.corruption(x) if self.training else x, *given)
