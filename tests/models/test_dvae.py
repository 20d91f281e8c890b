"""What a denoising VAE reports beside the clean bound."""

from functools import partial

import pytest
import torch
from tests.helpers import BITS, adam, mlp
from tests.models.registry import batch_for
from torch.distributions import kl_divergence

from elbolab.densities.denoising import denoising_layer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.corruption import bit_flip
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.models.dvae import DVAE


@pytest.mark.usefixtures("float64")
def test_the_denoising_bound_is_that_of_the_corrupted_encoder_and_the_clean_datum():
    """Every bit is flipped, so that it is known what the encoder sees."""
    torch.manual_seed(11)
    normal, bits = (partial(Head, net=mlp(5), family=family) for family in (DiagonalNormal, Bernoulli))
    densities = denoising_layer(BITS, 2, StandardNormal, normal, bits, partial(bit_flip, 1.0)).double()
    model = DVAE(densities=densities, optimizer=adam(), num_samples=5)
    batch = batch_for(model)
    torch.manual_seed(3)
    report = model.report(batch)
    torch.manual_seed(3)
    clean = densities.terms(batch.x).elbo.mean()
    torch.rand_like(batch.x)  # that of the corruption
    q = densities.layer.posterior(1 - batch.x)
    log_lik = densities.decode(q.rsample((5,))).log_prob(batch.x)
    bound = log_lik.mean() - kl_divergence(q, densities.layer.prior()).mean()
    torch.testing.assert_close(report["elbo"], clean)
    torch.testing.assert_close(report["dvae_bound"], bound)
    assert abs(bound - clean) > 1e-3
