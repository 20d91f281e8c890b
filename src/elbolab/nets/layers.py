"""What several networks share: activations by name and initialisations by name."""

from difflib import get_close_matches

from torch import nn


def activation_of(name: str) -> nn.Module:
    """A fresh ``torch.nn`` activation.

    Raises:
        ValueError: torch.nn has no activation of that name.
    """
    if name not in nn.modules.activation.__all__:
        near = get_close_matches(name, nn.modules.activation.__all__, n=3, cutoff=0.4)
        raise ValueError(f"net.activation={name}: torch.nn has no such activation; nearest: {', '.join(near)}")
    return getattr(nn, name)()


def initialise_linear(layer: nn.Linear, init: str) -> nn.Linear:
    """``layer`` with fresh weights.

    Raises:
        ValueError: ``init`` is neither ``"glorot"`` nor ``"torch"``.
    """
    if init == "glorot":
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    elif init != "torch":
        raise ValueError(f"net.init={init}: choose glorot or torch")
    return layer
