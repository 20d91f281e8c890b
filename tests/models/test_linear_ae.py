"""Linear autoencoders against exact PCA of the same training data (Baldi & Hornik 1989)."""

import subprocess
import sys
from functools import partial
from time import perf_counter

import numpy as np
import pytest
import torch
from tests.helpers import adam, fit, mlp
from torch.distributions import Normal

import elbolab
from elbolab.batch import Spec, Support
from elbolab.data.module import DataModule
from elbolab.densities.tied import tied_autoencoder
from elbolab.densities.wiring import autoencoder as autoencoder_layer
from elbolab.distributions.conditional import Head
from elbolab.distributions.location_scale import FixedScale
from elbolab.distributions.point_mass import Deterministic
from elbolab.models.ae import AE
from elbolab.reading.splits import Arrays, Splits
from elbolab.training.schedules import Cosine

DIM = 6
LIKELIHOOD = partial(Head, net=mlp(), family=partial(FixedScale, base=Normal, scale=1.0), init_to_mean=True)


class Ellipsoid(DataModule):
    """Gaussian data around no origin, with standard deviations 3, 2.1, ... along axes of no coordinate."""

    def header(self):
        return Spec((DIM,), Support.REAL)

    def load(self):
        rng = np.random.default_rng(0)
        axes = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
        x = 0.5 + rng.standard_normal((10_200, DIM)) * 3 * 0.7 ** np.arange(DIM) @ axes
        return Splits(*(Arrays(part) for part in np.split(x.astype(np.float32), [10_000, 10_100])))


class PCA:
    """The mean (D,) and the first ``num`` principal components (D, k) of rows (N, D), in float64."""

    def __init__(self, rows, num):
        self.mean = rows.double().mean(0)
        self.axes = torch.linalg.eigh(torch.cov((rows.double() - self.mean).T))[1].flip(1)[:, :num]

    def mse(self, rows):
        centred = rows.double() - self.mean
        return (centred - centred @ self.axes @ self.axes.T).square().mean().item()

    def angle(self, directions):
        """The largest principal angle to the span of ``directions`` (D, k), by its sine, radians."""
        basis = torch.linalg.qr(directions)[0]
        return torch.linalg.svdvals(basis - self.axes @ (self.axes.T @ basis))[0].clamp(max=1).asin().item()


@torch.no_grad()
def columns(densities):
    """The decoder's directions, (D, k): its images of the unit codes less that of zero."""
    (k,) = densities.latent_shape
    images = densities.decode(torch.cat([torch.zeros(1, k), torch.eye(k)])).mean.flatten(1).double()
    return (images[1:] - images[0]).T


@torch.no_grad()
def mse(densities, x):
    return (densities.decode(densities.encode(x)).mean - x).double().square().mean().item()


def rows(data, split):
    return torch.cat([batch.x for batch in data.batches(split)])


def fitted(densities):
    data = Ellipsoid(batch_size=200)
    chosen_by = {"monitor": "val/distortion", "mode": "min"}
    model = AE(densities=densities, optimizer=adam(lr=0.05), schedule=Cosine(1.0, 0.0), **chosen_by)
    fit(model, data=data, max_epochs=10, check_val_every_n_epoch=10, log_every_n_steps=50)
    return data


@pytest.mark.parametrize("k", [1, 3])
def test_a_linear_autoencoder_is_pca(k):
    encoder = partial(Head, net=mlp(), family=Deterministic)
    densities = autoencoder_layer(Spec((DIM,), Support.REAL), k, None, encoder, LIKELIHOOD)
    data = fitted(densities)
    pca, test = PCA(rows(data, "train"), k), rows(data, "test")
    assert mse(densities, test) == pytest.approx(pca.mse(test), rel=3e-3)
    assert pca.angle(columns(densities)) < 0.02


def test_a_tied_one_of_one_dimension_is_the_first_component():
    densities = tied_autoencoder(Spec((DIM,), Support.REAL), 1, None, None, LIKELIHOOD)
    data = fitted(densities)
    pca, test = PCA(rows(data, "train"), 1), rows(data, "test")
    w, (v,) = densities.posterior.tied.weight[0].double(), pca.axes.T
    torch.testing.assert_close(w * (w @ v).sign(), v, atol=0.01, rtol=0)
    torch.testing.assert_close(densities.encode(densities.posterior.tied.bias[None]), torch.zeros(1, 1))
    assert mse(densities, test) == pytest.approx(pca.mse(test), rel=3e-3)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("model", "k"), [("ae", 2), ("ae", 32), ("tied_ae", 1)])
def test_on_mnist(model, k, tmp_path, capsys):
    """The command that the README gives, whole: it trains, chooses its weights by validation and measures them."""
    words = ["experiment=baldi1989/linear_ae", f"model={model}", f"densities.latent_dim={k}"]
    start, command = perf_counter(), ["train", *words]
    console = [sys.executable, "-c", "from elbolab.cli import main; main()"]
    subprocess.run([*console, *command, f"hydra.run.dir={tmp_path}"], check=True, stdout=subprocess.DEVNULL)
    seconds, run = perf_counter() - start, elbolab.load_run(tmp_path)
    train, test = (rows(run.data(), split) for split in ("train", "test"))
    pca = PCA(train.flatten(1), k)
    error, exact, angle = mse(run.densities, test), pca.mse(test.flatten(1)), pca.angle(columns(run.densities))
    with capsys.disabled():
        print(
            f"\nelbolab {' '.join(command)}: test MSE {error:.6f}, of PCA {exact:.6f} "
            f"({100 * (error / exact - 1):+.4f} %), largest principal angle {angle:.4f} rad, {seconds:.0f} s"
        )
    assert len(train) == 60_000
    assert error == pytest.approx(exact, rel=5e-4)
    assert angle < 0.05
