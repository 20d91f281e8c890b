"""A small VAE of nine binary pixels, and data for it."""

from functools import partial

import torch

from elbolab.batch import Batch, Spec, Support
from elbolab.densities.layer import Layer, single_layer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.nets.mlp import MLP

BINARY = Spec((9,), Support.BINARY, 2)
TANH = partial(MLP, hidden=[16], activation="Tanh", init="glorot")


def bernoulli_vae(latent_dim=3, spec=BINARY) -> Layer:
    return single_layer(
        spec,
        latent_dim,
        StandardNormal,
        partial(Head, net=TANH, family=DiagonalNormal),
        partial(Head, net=TANH, family=Bernoulli),
    )


def binary_batches(num=20, dim=9) -> list[Batch]:
    return [Batch(torch.rand(num, dim).round())]
