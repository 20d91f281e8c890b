"""Weights that change: each step has the one of its own number, in the loss, in a run, and after a resume."""

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from tests.helpers import adam, fit, small_densities
from tests.models.registry import ERROR, batch_for, labelled, make, training_batch_for

from elbolab.models.beta_vae import beta_vae
from elbolab.models.m2 import M2
from elbolab.models.vae import VAE
from elbolab.training.newest import Newest
from elbolab.training.schedules import Linear

STEPS = pytest.mark.parametrize("step", [0, 1, 7, 19, 20, 25])


def seeded(function, *args):
    torch.manual_seed(3)
    return function(*args)


def annealed(**options):
    torch.manual_seed(11)
    return beta_vae(densities=small_densities(), optimizer=adam(), **options)


@STEPS
@pytest.mark.usefixtures("float64")
def test_beta_is_that_of_the_step(step):
    model = annealed(beta=Linear(3, 1, steps=20)).double()
    model.step.fill_(step)
    loss, terms = seeded(model.loss, batch_for(model)), seeded(model.densities.terms, batch_for(model).x)
    beta = 3 - min(step / 20, 1) * 2
    torch.testing.assert_close(loss.value, terms.distortion.mean() + beta * terms.rate.mean())
    assert loss.metrics["beta"].item() == pytest.approx(beta)


@STEPS
@pytest.mark.usefixtures("float64")
def test_a_capacity_is_that_of_the_step(step):
    model = annealed(beta=2.0, capacity=Linear(1, 9, steps=20)).double()
    model.step.fill_(step)
    loss, terms = seeded(model.loss, batch_for(model)), seeded(model.densities.terms, batch_for(model).x)
    away = (terms.rate.mean() - (1 + min(step / 20, 1) * 8)).abs()
    torch.testing.assert_close(loss.value, terms.distortion.mean() + 2 * away)


@STEPS
@pytest.mark.usefixtures("float64")
def test_alpha_is_that_of_the_step(step):
    torch.manual_seed(11)
    model = M2(alpha=Linear(9, 1, steps=20), densities=labelled(), **ERROR).double()
    plain = M2(alpha=0.0, densities=model.densities, **ERROR)
    model.step.fill_(step)
    batch = training_batch_for(model)
    loss = seeded(model.loss, batch)
    alpha = 9 - min(step / 20, 1) * 8
    log_q = model.densities.log_class_probs(batch.labelled.x).gather(1, batch.labelled.y[:, None])
    torch.testing.assert_close(loss.value, seeded(plain.loss, batch).value - alpha * log_q.mean())
    assert loss.metrics["alpha"].item() == pytest.approx(alpha)


class Seen(Callback):
    """What each step of a run had, at blocks of one step."""

    def __init__(self):
        self.betas, self.rates = [], []

    def on_train_batch_end(self, trainer, model, *_):
        self.betas.append(float(trainer.callback_metrics.get("train/beta", 1)))
        self.rates.append(float(trainer.optimizers[0].param_groups[0]["lr"]))


@pytest.mark.filterwarnings("ignore:Linear schedule ends after 20 steps")  # these runs end before
@pytest.mark.parametrize("fused", [True, False], ids=["tensor", "number"])
def test_every_step_of_a_run_has_the_weight_and_the_learning_rate_of_its_number(fused, tmp_path):
    """From a factor that is not 1, over many steps, and on after a resume: a rate that compounds is far off."""

    def model():
        options = {"schedule": Linear(0.5, 0.1, steps=20), "optimizer": adam(fused=fused)}
        return beta_vae(beta=Linear(0, 1, steps=20), densities=small_densities(), **options)

    first, rest = Seen(), Seen()
    fit(model(), max_steps=9, log_every_n_steps=1, callbacks=[first, Newest(str(tmp_path), every_seconds=None)])
    fit(model(), max_steps=24, log_every_n_steps=1, callbacks=[rest], resume=tmp_path / "last.ckpt")
    progress = [min(step / 20, 1) for step in range(24)]
    assert first.betas + rest.betas == pytest.approx(progress)
    assert first.rates + rest.rates == pytest.approx([1e-2 * (0.5 - 0.4 * along) for along in progress])


@pytest.mark.parametrize(("limits", "num"), [({"max_steps": 11}, 11), ({"max_steps": 99, "max_epochs": 1}, 13)])
def test_a_ramp_of_the_whole_run_ends_with_the_first_limit_that_ends_it(limits, num):
    seen = Seen()
    model = beta_vae(beta=Linear(0, 1), densities=small_densities(), optimizer=adam())
    fit(model, log_every_n_steps=1, callbacks=[seen], **({"max_epochs": 2} | limits))
    assert seen.betas == pytest.approx([step / (num - 1) for step in range(num)])


def test_every_player_steps_at_the_rate_of_the_schedule():
    model, seen = make("aae"), []
    model.schedule = Linear(0.5, 0.1, steps=4)

    class Rates(Callback):
        def on_train_batch_end(self, trainer, *_):
            seen.append([float(optimizer.param_groups[0]["lr"]) for optimizer in trainer.optimizers])

    fit(model, max_steps=5, log_every_n_steps=1, callbacks=[Rates()])
    assert seen == [[pytest.approx(1e-2 * factor)] * 3 for factor in (0.5, 0.4, 0.3, 0.2, 0.1)]


@pytest.mark.usefixtures("float64")
def test_free_bits_are_of_the_mean_over_data_and_not_of_each_datum():
    """Kingma et al. (2016), Eq. 15: a dimension that is used by some data only may be above its bound in mean."""
    model = annealed(beta=1.0, free_bits=0.5).double()
    with torch.no_grad():
        for parameter in model.densities.posterior.parameters():
            parameter.mul_(2)
    batch = batch_for(model, 64)
    terms = model.densities.terms(batch.x)
    kl = terms.latents[0].kl_per_dim
    of_data, of_means = kl.clamp(min=0.5).mean(0).sum(), kl.mean(0).clamp(min=0.5).sum()
    assert of_data > of_means + 0.1
    (cost,) = model.costs
    torch.testing.assert_close(cost(terms, batch, model.step), of_means)


def test_a_loss_is_a_mean_over_samples_and_data():
    torch.manual_seed(11)
    model = VAE(num_samples=3, densities=small_densities(), optimizer=adam())
    batch = batch_for(model, 5)
    terms = seeded(lambda: model.densities.terms(batch.x, shape=(3,)))
    expected = sum(-terms.elbo[s, b] for s in range(3) for b in range(5)) / 15
    torch.testing.assert_close(seeded(model.loss, batch).value, expected)
