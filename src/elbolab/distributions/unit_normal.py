"""N(0, 1), whose density and KL take half the operations of N(loc, scale)'s: they are most of a small model's step."""

from math import log, pi
from typing import final

from torch import Tensor
from torch.distributions import Normal, register_kl
from typing_extensions import override

HALF_LOG_TWO_PI = 0.5 * log(2 * pi)


@final
class UnitNormal(Normal):
    """torch's `Normal` at loc 0 and scale 1, which the caller makes: ``UnitNormal(zeros, ones)``."""

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        """-z^2 / 2 - log sqrt(2 pi), elementwise."""
        if self._validate_args:
            self._validate_sample(value)
        return -0.5 * value.square() - HALF_LOG_TWO_PI


@register_kl(Normal, UnitNormal)
def _kl_to_unit_normal(q: Normal, p: UnitNormal) -> Tensor:
    """(loc^2 + scale^2 - 1) / 2 - log scale (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (q.loc.square() + q.scale.square() - 1) - q.scale.log()
