"""The bound and the log-likelihood as one would write them without a framework.

Shapes: B = batch, D = latent dimensions, K = samples, ``*event`` = shape of one image; nats per datum.
"""

from math import log

import torch
from torch import Tensor
from torch.nn import functional as F

from elbolab.benchmark.cases import Nets


def negative_elbo(nets: Nets, x: Tensor) -> Tensor:
    """-ELBO of x (B, *event) with one draw of z per datum, a scalar (Kingma & Welling 2014, Eq. 10)."""
    loc, log_variance = nets.encoder(x).chunk(2, dim=1)
    z = loc + (0.5 * log_variance).exp() * torch.randn_like(loc)
    distortion = F.binary_cross_entropy_with_logits(nets.decoder(z), x, reduction="sum")
    rate = -0.5 * (1 + log_variance - loc.square() - log_variance.exp()).sum()
    return (distortion + rate) / len(x)


def log_likelihood(nets: Nets, x: Tensor, num_samples: int, chunk: int) -> Tensor:
    """L_K of one image x (1, *event), a scalar (Burda et al. 2016, Eq. 8), ``chunk`` samples at a time."""
    loc, log_variance = nets.encoder(x).chunk(2, dim=1)
    scale, log_w = (0.5 * log_variance).exp(), []
    for start in range(0, num_samples, chunk):
        noise = torch.randn(min(chunk, num_samples - start), nets.latent_dim, device=x.device)
        z = loc + scale * noise
        logits = nets.decoder(z)
        log_lik = -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").flatten(1).sum(1)
        log_w.append(log_lik + 0.5 * (noise.square() + log_variance - z.square()).sum(1))
    return torch.cat(log_w).logsumexp(0) - log(num_samples)
