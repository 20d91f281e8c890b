"""Noise that does not tell data from each other."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from elbolab.models.avb import NUM_DRAWS


class SameNoise(TorchDispatchMode):
    """Whatever is drawn is the same for every datum: parts of a batch then draw what the whole does.

    Draws that are to tell a mean and a variance differ from each other.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        drawn = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return drawn
        if "bernoulli" in func.name():
            return drawn.copy_(args[0] > 0.5)
        if "multinomial" in func.name():
            return drawn.copy_(args[0].argmax(-1, keepdim=True).expand_as(drawn))
        if drawn.dim() > 1 and len(drawn) == NUM_DRAWS:  # no batch of these tests has so many data
            draws = torch.linspace(-1, 1, NUM_DRAWS, dtype=drawn.dtype)
            return drawn.copy_(draws.view(-1, *[1] * (drawn.dim() - 1)).expand_as(drawn))
        return drawn.fill_(1 if not drawn.is_floating_point() else 0.3)
