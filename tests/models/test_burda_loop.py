"""The reduced protocol of Burda et al. (2016) by a loop that shares nothing with elbolab but the images.

It says what scatter over seeds belongs to the protocol: ``pytest -n 0 -m slow tests/models/test_burda_loop.py -s``.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from elbolab.data.mnist import MNIST

EPOCHS, BATCH, D = 40, 100, 50


def layer(width_in, width_out):
    linear = nn.Linear(width_in, width_out)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def network(*widths):
    layers = [part for pair in zip(widths, widths[1:], strict=False) for part in (layer(*pair), nn.Tanh())]
    return nn.Sequential(*layers[:-1])


def negative_elbo(encoder, decoder, offset, x):
    mean, log_variance = encoder(x).chunk(2, -1)
    z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    distortion = F.binary_cross_entropy_with_logits(decoder(z) + offset, x, reduction="sum")
    return (distortion + 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum()) / len(x)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(12))
def test_the_protocols_own_scatter_of_active_units(seed):
    images = torch.tensor(MNIST(split="burda").arrays("train").x).reshape(-1, 784)
    torch.manual_seed(seed)
    encoder, decoder = network(784, 200, 200, 2 * D), network(D, 200, 200, 784)
    offset = torch.logit((images.float().mean(0) / 255).clamp(0.001, 0.999))
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3, eps=1e-4, fused=True)
    for epoch in range(EPOCHS):
        adam.param_groups[0]["lr"] = 1e-3 * 10 ** (-math.floor(math.log(2 * epoch + 1.0001, 3)) / 7)
        for rows in torch.randperm(len(images)).split(BATCH):
            adam.zero_grad()
            negative_elbo(encoder, decoder, offset, torch.bernoulli(images[rows] / 255)).backward()
            adam.step()
    x = torch.bernoulli(images[:10_000] / 255, generator=torch.Generator().manual_seed(777))
    with torch.no_grad():
        variance = encoder(x)[:, :D].double().var(0, correction=0)
        cost = negative_elbo(encoder, decoder, offset, x).item()
    active = [int((variance > least).sum()) for least in (0.01, 0.05)]
    print(f"seed {seed}: active units {active[0]} (at 0.05: {active[1]}), -ELBO of training images {cost:.2f}")
    assert cost == pytest.approx(99.1, abs=0.7)
    assert 20 <= active[1] <= 24
