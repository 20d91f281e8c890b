"""What several networks share: activations and initialisations by name, dense layers, checks of their options."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

Linear = TypeVar("Linear", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


NOT_ELEMENTWISE = {"GLU", "LogSoftmax", "MultiheadAttention", "Softmax", "Softmax2d", "Softmin"}
ACTIVATIONS = sorted({*nn.modules.activation.__all__} - NOT_ELEMENTWISE - {"Threshold"})
"""Names of the activations of ``torch.nn`` that map element by element and have a default for every argument."""


def activation_of(name: str) -> nn.Module:
    """A fresh ``torch.nn`` activation.

    Raises:
        ValueError: torch.nn has no elementwise activation of that name.
    """
    if name not in ACTIVATIONS:
        near = ", ".join(get_close_matches(name, ACTIVATIONS, n=3, cutoff=0.4)) or "ReLU"
        raise ValueError(f"net.activation={name}: torch.nn has no such elementwise activation; nearest: {near}")
    return getattr(nn, name)()


def initialise(layer: Linear, init: str) -> Linear:
    """``layer`` with fresh weights.

    Args:
        layer: what to initialise, in place.
        init: ``glorot`` (Glorot and Bengio 2010, uniform, zero biases), ``torch``'s own, or ``small``: N(0, 0.001^2)
            and zero biases, as the authors of M2 began. A decoder then learns first from what is known, the class, and
            only later from latents, which are noise until their posterior is learned; beware of activations that are 0
            at 0.

    Raises:
        ValueError: there is no such ``init``.
    """
    if init == "torch":
        return layer
    if init == "glorot":
        nn.init.xavier_uniform_(layer.weight)
    elif init == "small":
        nn.init.normal_(layer.weight, std=1e-3)
    else:
        raise ValueError(f"net.init={init}: choose glorot, torch or small")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def dense_layers(widths: Sequence[int], activation: str, init: str) -> nn.Sequential:
    """Linear layers from width to width, with activations between them and none at the end."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [initialise(nn.Linear(width_in, width_out), init), activation_of(activation)]
    return nn.Sequential(*layers[:-1])


def normalise_spectrally(module: nn.Module) -> int:
    """Divides the weights of all linear layers by their largest singular values, from now on; returns their number.

    These values follow the weights by a step of the power method each time that training uses them (Miyato et al. 2018,
    Algorithm 1).
    """
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
    for layer in layers:
        spectral_norm(layer)
    return len(layers)


def check_counts(option: str, counts: Iterable[int]) -> None:
    """Raises ValueError unless every count is at least 1."""
    if any(count < 1 for count in counts):
        raise ValueError(f"{option}={list(counts)}: every entry must be at least 1")
