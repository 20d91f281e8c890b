"""A whole fit against a loop that shares nothing with it but the noise and the first weights."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from tests.helpers import Bits, fit, small_vae

from elbolab.common.rng import training_generator

EPOCHS, B = 3, 10


class Curve(Callback):
    """The training loss of every block."""

    def __init__(self):
        self.values = []

    def on_train_batch_end(self, trainer, *_):
        self.values.append(trainer.callback_metrics["train/loss"].item())


def reference():
    """Kingma & Welling (2014), appendices B and C.1, step by step; returns every loss and the final weights."""
    x = torch.tensor((np.random.default_rng(0).random((175, 6)) < 0.3)[:130].astype(np.float32))
    start = dict(small_vae().named_parameters())
    w = {name.removeprefix("densities."): p.detach().clone().requires_grad_() for name, p in start.items()}
    names = ("posterior.net.layers.0", "posterior.net.layers.2", "likelihood.net.layers.0", "likelihood.net.layers.2")
    layers = [(w[f"{name}.weight"], w[f"{name}.bias"]) for name in names]
    adam, losses = torch.optim.Adam(w.values(), lr=1e-2), []
    torch.manual_seed(training_generator(torch.initial_seed(), 0).initial_seed())
    for epoch in range(EPOCHS):
        order = torch.randperm(130, generator=training_generator(0, epoch))
        for rows in order.split(B):
            out = F.linear(torch.tanh(F.linear(x[rows], *layers[0])), *layers[1])
            mean, log_variance = out[:, :2], out[:, 2:]
            scale = (0.5 * log_variance).exp() + 1e-6
            z = mean + scale * torch.randn(len(rows), 2)
            logits = F.linear(torch.tanh(F.linear(z, *layers[2])), *layers[3])
            kl = 0.5 * (mean**2 + scale**2 - 1 - 2 * scale.log()).sum(1)
            loss = (F.binary_cross_entropy_with_logits(logits, x[rows], reduction="none").sum(1) + kl).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.item())
    return losses, torch.cat([p.detach().double().flatten() for p in w.values()])


def ours(block):
    curve, model = Curve(), small_vae()
    fit(model, data=Bits(batch_size=B), max_epochs=EPOCHS, log_every_n_steps=block, callbacks=[curve])
    return curve.values, torch.cat([p.detach().double().flatten() for p in model.parameters()])


def means(losses, block):
    """Means over the blocks of every epoch of 13 steps."""
    epochs = [losses[i : i + 13] for i in range(0, len(losses), 13)]
    return [np.mean(epoch[i : i + block]) for epoch in epochs for i in range(0, 13, block)]


@pytest.fixture(scope="module")
def expected():
    torch.manual_seed(0)
    small_vae()
    return reference()


@pytest.mark.parametrize(("engine", "block"), [("eager", 1), ("eager", 50), ("captured", 50)])
def test_losses_and_weights_are_those_of_an_independent_loop(engine, block, expected, request):
    if engine == "captured":
        request.getfixturevalue("rehearsed")
    losses, final = ours(block)
    assert losses == pytest.approx(means(expected[0], block), rel=1e-5)
    torch.testing.assert_close(final, expected[1], rtol=1e-4, atol=1e-5)


def test_eager_blocks_of_any_size_give_the_same_bits():
    assert torch.equal(ours(1)[1], ours(50)[1])
