"""Scales that are fitted: to which model, by which errors, and where they cannot be."""

from copy import deepcopy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from tests.helpers import BITS, CLASSES, Bits, adam, fit, mlp, refused, small_cvae, small_densities, weights
from tests.models.registry import ERROR, autoencoder, denoising, labelled, make, optimal_scale, stacked
from torch import nn

from elbolab.batch import Batch
from elbolab.distributions.conditional import Head
from elbolab.distributions.data_units import InDataUnits
from elbolab.distributions.family import DiagonalNormal
from elbolab.distributions.location_scale import OptimalNormal
from elbolab.models.ae import AE
from elbolab.models.cvae import CVAE
from elbolab.models.dvae import DVAE
from elbolab.models.m2 import M2
from elbolab.models.vae import VAE
from elbolab.training.ema import averaged
from elbolab.training.newest import Newest
from elbolab.training.scales import fit_scales, fitted_scales

OPTIMAL = partial(Head, net=mlp(5), family=partial(OptimalNormal, min_scale=1e-3))


def batches(num=3, size=7):
    return [Batch(x) for x in torch.randint(2, (num, size, 6)).float()]


def plain(densities):
    """An autoencoder, which draws nothing, with a fitted scale."""
    densities.likelihood = OPTIMAL((densities.latent_shape,), BITS.x)
    return densities


def test_the_scale_maximises_the_bound_over_the_data_that_it_is_fitted_to():
    densities, data = optimal_scale(), [Batch(torch.rand(5_000, 6))]
    torch.manual_seed(1)
    fit_scales(densities, data)
    variance = densities.likelihood.family.variance

    def bound(factor):
        changed = deepcopy(densities).eval()
        changed.likelihood.family.variance.mul_(factor)
        torch.manual_seed(1)
        return changed.terms(data[0].x).elbo.mean()

    assert variance > 0.01
    assert bound(1.0) > max(bound(0.98), bound(1.02))


def test_errors_are_averaged_over_data_not_over_batches():
    densities, data = plain(autoencoder()), [*batches(2), Batch(torch.ones(1, 6))]
    fit_scales(densities.train(), data)
    x = torch.cat([batch.x for batch in data])
    expected = (densities.decode(densities.encode(x)).mean - x).square().mean()
    torch.testing.assert_close(densities.likelihood.family.variance, expected)
    assert densities.training


def test_errors_are_summed_over_ranks(monkeypatch):
    whole, part = (plain(autoencoder()) for _ in range(2))
    part.load_state_dict(whole.state_dict())
    data, seen = batches(2), []
    fit_scales(whole, data)
    fit_scales(part, data[:1])

    def all_reduce(errors):
        with part.likelihood.family.collecting() as others:
            part.eval().terms(data[1].x)
        seen.append(errors.add_(others))

    monkeypatch.setattr("elbolab.training.scales.all_reduce", all_reduce)
    fit_scales(part, data[:1], world=2)
    assert len(seen) == 1
    torch.testing.assert_close(part.likelihood.family.variance, whole.likelihood.family.variance)


def test_a_frozen_part_keeps_its_scale():
    below = optimal_scale().freeze()
    below.likelihood.family.variance.fill_(0.7)
    outer = nn.ModuleDict({"below": below, "above": optimal_scale()})
    assert fitted_scales(outer) == [outer["above"].likelihood.family]


def test_what_is_validated_and_saved_is_one_model_whatever_average_of_its_weights():
    """The scale is that of the averaged weights: no other makes the training bound of that model better."""
    torch.manual_seed(11)
    data = Bits(batch_size=10, eval_batch_size=10)
    model = VAE(densities=optimal_scale(), optimizer=adam(lr=0.05), ema=0.99)
    trainer = fit(model, data=data, max_epochs=3)
    found = model.densities.likelihood.family.variance.clone()
    x = torch.cat([batch.x for batch in data.batches("train")])

    def error(densities):
        return (densities.decode(densities.posterior(x).rsample((200,))).mean - x).square().mean().detach()

    raw = error(model.densities)
    with model.ema.applied(averaged(model.densities)):
        own = error(model.densities)
    assert abs(found - own) < 0.05 * own
    assert abs(raw - own) > 0.2 * own
    assert trainer.callback_metrics["val/elbo"].isfinite()


def test_scales_are_fitted_once_for_every_state_of_the_weights(tmp_path, monkeypatch):
    fitted = []
    monkeypatch.setattr("elbolab.training.module.fit_scales", lambda *_: fitted.append(int(model.step)))
    model = make("vae, optimal scale")
    fit(model, max_epochs=2, callbacks=[Newest(str(tmp_path), every_seconds=None)])
    assert fitted == [13, 26]


def test_a_resumed_run_ends_with_the_same_scale(tmp_path):
    whole = make("vae, optimal scale")
    fit(whole, max_epochs=3)
    fit(make("vae, optimal scale"), max_epochs=2, callbacks=[Newest(str(tmp_path), every_seconds=None)])
    resumed = make("vae, optimal scale")
    fit(resumed, resume=tmp_path / "last.ckpt", max_epochs=3)
    assert torch.equal(weights(whole), weights(resumed))


def test_what_is_fitted_to_the_batch_is_called_neither_bound_nor_distortion():
    model, (batch,) = make("vae, optimal scale"), batches(1)
    rescaled = VAE(densities=optimal_scale(), optimizer=adam())
    rescaled.densities.likelihood = InDataUnits(rescaled.densities.likelihood, log_scale=1.5)
    for one in (model, rescaled):
        assert set(one.train().loss(batch).metrics) == {"rate"}
        assert set(one.eval().report(batch)) == {"elbo", "rate", "distortion"}
    ae = AE(densities=plain(autoencoder()), optimizer=adam())
    assert set(ae.train().loss(batch).metrics) == set()


def denoising_with_optimal_scale():
    densities = denoising()
    densities.layer.likelihood = OPTIMAL((densities.latent_shape,), BITS.x)
    return densities


@pytest.mark.parametrize(
    ("build", "option"),
    [
        (lambda: CVAE(alpha=0.5, densities=small_cvae(family=OPTIMAL.keywords["family"]), optimizer=adam()), "alpha"),
        (lambda: M2(alpha=0.1, densities=labelled(likelihood=OPTIMAL), **ERROR), "model=m2"),
        (lambda: M2(alpha=0.1, densities=labelled(likelihood=OPTIMAL, class_chunk=1), **ERROR), "model=m2"),
        (lambda: M2(alpha=0.1, densities=stacked(likelihood=OPTIMAL), **ERROR), "model=m2"),
        (lambda: DVAE(densities=denoising_with_optimal_scale(), optimizer=adam()), "denoising VAE"),
    ],
)
def test_losses_of_several_likelihoods_are_refused(build, option):
    with refused(f"an optimal scale.*{option}.*likelihood=gaussian_learned"):
        build()


def test_a_frozen_m1_may_have_a_fitted_scale():
    m1 = small_densities(CLASSES, family=OPTIMAL.keywords["family"])
    assert fitted_scales(M2(alpha=0.1, densities=stacked(m1=m1), **ERROR).densities) == []


class Normalised(nn.Module):
    """A net of one's own, with batch normalisation."""

    def __init__(self, parents, out):
        super().__init__()
        self.norm, self.linear = nn.BatchNorm1d(6), nn.Linear(6, out[0])

    def forward(self, x):
        return self.linear(self.norm(x))


def test_running_statistics_are_averaged_with_the_weights():
    densities = small_densities(posterior=partial(Head, net=Normalised, family=DiagonalNormal))
    model = VAE(densities=densities, optimizer=adam(), ema=0.9)
    norm, seen = densities.posterior.net.norm, []
    start = norm.running_mean.clone()
    model.report = lambda batch: seen.append(norm.running_mean.clone()) or {"elbo": torch.zeros(())}
    fit(model, max_epochs=1)
    assert not torch.equal(seen[0], norm.running_mean)
    assert (seen[0] - start).abs().max() > 0


def test_running_statistics_of_ranks_are_averaged_and_other_buffers_are_those_of_rank_0(monkeypatch):
    densities = optimal_scale()
    densities.posterior.net = Normalised(((6,),), (4,))
    model, norm = VAE(densities=densities, optimizer=adam()), densities.posterior.net.norm
    norm.running_mean.fill_(1.0)
    monkeypatch.setattr("elbolab.training.module.all_reduce", lambda buffer: buffer.add_(5.0))  # of the other rank
    monkeypatch.setattr("elbolab.training.module.broadcast", lambda buffer, src: buffer.fill_(7))
    model.trainer = SimpleNamespace(world_size=2, state=SimpleNamespace(fn="validate"))
    model._settle_buffers()
    assert norm.running_mean.unique().tolist() == [3.0]
    assert norm.running_var.unique().tolist() == [3.0]
    assert norm.num_batches_tracked == 7
    assert densities.likelihood.family.variance == 7
