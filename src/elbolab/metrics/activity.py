"""How much of the latent space a code uses.

Shapes: N = data, D = latent dimensions.
"""

from torch import Tensor


def variance_of_means(means: Tensor) -> Tensor:
    """Var_x(E_q[z | x]) of every dimension, (N, D) -> (D,) in float64; the biased variance: divided by N, not N - 1."""
    return means.double().var(dim=0, correction=0)


def active_units(means: Tensor, threshold: float = 0.01) -> int:
    """Number of dimensions that the code uses: Var_x(E_q[z | x]) > ``threshold``.

    Burda, Grosse and Salakhutdinov 2016, "Importance Weighted Autoencoders", section 5.2.

    Args:
        means: the posterior means, (N, D).
        threshold: the paper's 0.01.
    """
    return int((variance_of_means(means) > threshold).sum())
