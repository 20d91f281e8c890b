from dataclasses import asdict
from functools import partial
from itertools import product
from math import log

import pytest
import torch
from sklearn.datasets import load_digits
from tests.evaluation.registry import measure
from torch import nn
from torch.distributions import Independent, Normal, OneHotCategorical

from elbolab.batch import Batch, Spec, Support
from elbolab.densities.base import Densities
from elbolab.densities.latents import Latent, Latents, sample
from elbolab.densities.layer import single_layer
from elbolab.distributions.conditional import Head, Ignore, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.evaluation.batches import choose_rows
from elbolab.evaluation.representation import (
    Codes,
    Protocol,
    Representation,
    codes,
    disentanglement_quantities,
    is_image,
    kl_quantities,
    probe_quantities,
    reconstruction_quantities,
)
from elbolab.metrics.disentanglement.dci import random_forest
from elbolab.nets.mlp import MLP

linear = partial(MLP, hidden=(), activation="Tanh", init="glorot")
normal = partial(Head, net=linear, family=DiagonalNormal)
bernoulli = partial(Head, net=linear, family=Bernoulli)

FLOAT32 = "float32, highest matmul"
FAST = Protocol(num_train=300, num_eval=300, trees=lambda seed: random_forest(seed).set_params(n_estimators=5))
SCORES = {
    *("mig", "dci_disentanglement", "dci_completeness", "dci_informativeness", "sap"),
    *("beta_vae_score", "factor_vae_score"),
}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(17)


class Identity(Densities):
    """A code that is the datum, times a gain in training mode; no prior and no randomness."""

    def __init__(self, spec):
        super().__init__()
        self.spec, self.code_shapes = spec, (spec.x,)
        self.gain = nn.Dropout(0.5)

    def infer(self, x, *given, shape=(), draw=sample):
        return Latents([Latent(self.gain(x).expand(*shape, *x.shape))])

    def imagine(self, shape, *given, top=(), draw=sample):
        (z,) = top
        return Latents([Latent(z)])

    def likelihood_of(self, latents, *given):
        return Independent(Normal(latents.only().z + 0.5, 1.0), len(self.spec.x))

    def initialise(self, data, mean):
        raise NotImplementedError


def vae(spec, latent_dim=3, likelihood=bernoulli):
    return single_layer(spec, latent_dim, StandardNormal, normal, likelihood)


def test_codes_are_those_of_evaluation_mode_with_labels_and_factors():
    densities = Identity(Spec((2,), Support.REAL)).train()
    x = torch.randn(10, 2)
    batches = [Batch(rows, (), y, y[:, None]) for rows, y in zip(x.split(4), torch.arange(10).split(4), strict=True)]
    z, y, factors = codes(densities, batches)
    assert torch.equal(z, x)
    assert y.tolist() == list(range(10))
    assert factors.tolist() == [[i] for i in range(10)]
    assert densities.gain.training
    assert not z.requires_grad


def test_codes_are_flat():
    z, y, factors = codes(Identity(Spec((1, 2, 3), Support.REAL)), [Batch(torch.randn(4, 1, 2, 3))] * 3)
    assert z.shape == (12, 6)
    assert y is None
    assert factors is None


def test_codes_see_the_conditions():
    spec = Spec((2,), Support.REAL, given=((1,),))
    densities = single_layer(spec, 2, StandardNormal, normal, partial(Ignore, conditional=normal))
    x = torch.randn(5, 2)
    one, other = (codes(densities, [Batch(x, (torch.full((5, 1), c),))]).z for c in (0.0, 1.0))
    assert not torch.equal(one, other)


def test_kl_per_dim_sums_to_the_rate():
    densities, x = vae(Spec((4,), Support.BINARY)), torch.ones(20, 4)
    x[:10] = 0
    quantity = kl_quantities(densities, [Batch(rows) for rows in x.split(8)], seed=0)["kl_per_dim"]
    assert len(quantity.value) == len(quantity.stderr) == 3
    assert sum(quantity.value) == pytest.approx(densities.terms(x).rate.mean().item(), rel=1e-5)
    assert (quantity.n, quantity.k, quantity.kind.unit) == (20, None, "nats")


class Layers(Densities):
    """Two classes and two layers of latents."""

    spec, code_shapes = Spec((2,), Support.REAL), ((2,), (3,), (2,), (1,))

    def infer(self, x, *given, shape=(), draw=sample):
        def layer(mean):
            q, p = (Independent(Normal(loc.expand(len(x), -1), 1.0), 1) for loc in (mean, torch.zeros_like(mean)))
            return Latent.drawn(draw, shape, q, p)

        def of_class(probs):
            q = OneHotCategorical(probs.expand(len(x), -1))
            return Latent.drawn(draw, shape, q, OneHotCategorical(torch.ones_like(probs)), is_class=True)

        classes = of_class(torch.tensor([1.0, 0.0])), of_class(torch.tensor([0.0, 0.0, 1.0]))
        return Latents([*classes, layer(torch.tensor([1.0, 2.0])), layer(torch.tensor([4.0]))])

    def imagine(self, shape, *given, top=(), draw=sample):
        raise NotImplementedError

    def likelihood_of(self, latents, *given):
        raise NotImplementedError

    def initialise(self, data, mean):
        raise NotImplementedError


def test_layers_stand_behind_each_other_and_classes_are_added():
    """KL(N(m, 1) || N(0, 1)) = m^2 / 2, and of a class that is sure from C equal ones log C."""
    found = kl_quantities(Layers(), [Batch(torch.zeros(5, 2))] * 2, seed=0)
    assert found["kl_per_dim"].value == pytest.approx([0.5, 2.0, 8.0])
    assert found["class_kl"].value == pytest.approx(log(2) + log(3))
    assert (found["kl_per_dim"].n, found["kl_per_dim"].k) == (10, 1)


def test_a_code_without_a_prior_has_no_kl():
    assert kl_quantities(Identity(Spec((2,), Support.REAL)), [Batch(torch.randn(5, 2))], seed=0) == {}


def test_reconstruction_is_the_mean_at_the_code():
    batches = [Batch(torch.rand(5, 1, 12, 12)), Batch(torch.rand(3, 1, 12, 12))]
    parts = reconstruction_quantities(Identity(Spec((1, 12, 12), Support.UNIT)), batches, seed=0)
    assert parts["mse"].value == pytest.approx(0.25)
    assert parts["mse"].stderr == pytest.approx(0.0, abs=1e-6)
    assert parts["psnr"].value == pytest.approx(6.0206, abs=1e-3)
    assert {quantity.n for quantity in parts.values()} == {8}
    assert [parts[name].kind.unit for name in ("mse", "psnr", "ssim")] == ["squared error/element", "dB", "similarity"]


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (Spec((7,), Support.UNIT), {"mse"}),
        (Spec((1, 12, 12), Support.REAL), {"mse"}),
        (Spec((1, 8, 12), Support.BINARY), {"mse", "psnr"}),
        (Spec((3, 11, 11), Support.UNIT), {"mse", "psnr", "ssim"}),
    ],
    ids=["vector", "real image", "small image", "image"],
)
def test_only_what_exists_of_a_reconstruction(spec, names):
    parts = reconstruction_quantities(Identity(spec), [Batch(torch.rand(4, *spec.x))], seed=0)
    assert parts.keys() == names


def test_only_images_in_the_unit_interval_are_images():
    assert is_image(Spec((1, 4, 4), Support.BINARY))
    assert not is_image(Spec((1, 4, 4), Support.REAL))
    assert not is_image(Spec((4,), Support.UNIT))


def test_probes_of_a_separated_code():
    y = torch.arange(60) % 3
    test = Codes(torch.eye(3)[y], y, None)
    parts = probe_quantities(test, test, seed=0, num_neighbours=3)
    assert {name: quantity.value for name, quantity in parts.items()} == {"probe_accuracy": 1.0, "knn_accuracy": 1.0}
    assert {(q.n, q.kind.unit, q.dtype, q.stderr) for q in parts.values()} == {(60, "fraction", FLOAT32, 0.0)}


def test_probes_need_two_classes_to_tell_apart():
    one, two = (Codes(torch.randn(6, 2), y, None) for y in (torch.ones(6, dtype=torch.int64), torch.arange(6) % 2))
    assert probe_quantities(one, two, seed=0, num_neighbours=1) == {}
    assert probe_quantities(two, one, seed=0, num_neighbours=1).keys() == {"probe_accuracy", "knn_accuracy"}


def test_probes_need_labels_on_both_sides():
    labelled, unlabelled = Codes(torch.eye(3), torch.arange(3), None), Codes(torch.eye(3), None, None)
    with pytest.raises(ValueError, match="labels in the training"):
        probe_quantities(unlabelled, labelled, seed=0, num_neighbours=1)


@pytest.fixture(scope="module")
def grid():
    return torch.tensor(list(product(range(4), range(3), range(5))) * 15)


def test_all_scores_of_a_perfect_code(grid):
    parts = disentanglement_quantities(Codes(grid.float(), None, grid), seed=0, protocol=FAST)
    assert parts.keys() == SCORES
    assert all(quantity.value > 0.95 for quantity in parts.values()), parts
    assert {(quantity.stderr, quantity.n, quantity.k) for quantity in parts.values()} == {(None, len(grid), None)}


def test_no_scores_without_factors_that_vary(grid):
    z = grid.float()
    assert disentanglement_quantities(Codes(z, None, None), seed=0, protocol=FAST) == {}
    assert disentanglement_quantities(Codes(z, None, torch.ones_like(grid)), seed=0, protocol=FAST) == {}


def test_no_votes_with_one_factor(grid):
    parts = disentanglement_quantities(Codes(grid.float(), None, grid[:, :1]), seed=0, protocol=FAST)
    assert parts.keys() == SCORES - {"beta_vae_score", "factor_vae_score"}


@pytest.fixture(scope="module")
def digits():
    """scikit-learn's digits as two batches for training and two for testing."""
    images, y = load_digits(return_X_y=True)
    x, y = torch.tensor(images / 16, dtype=torch.float32).view(-1, 1, 8, 8), torch.tensor(y)
    batches = [Batch(a, (), b) for a, b in zip(x.split(300), y.split(300), strict=True)]
    return batches[:2], batches[2:4]


def test_digits_have_everything_but_ssim_and_factors(digits):
    train, test = digits
    parts = measure(Representation(), Identity(Spec((1, 8, 8), Support.UNIT)), test, train=train)
    assert parts.keys() == {"active_units", "mse", "psnr", "probe_accuracy", "knn_accuracy"}
    assert parts["knn_accuracy"].value > 0.9
    # pixels that are always or nearly always empty
    assert parts["active_units"].value == int((torch.cat([b.x for b in test]).flatten(1).var(0) > 0.01).sum())
    assert parts["active_units"].kind.unit == "dimensions"


def test_unlabelled_data_have_no_probes_and_their_training_set_is_not_read():
    class Unread:
        def __iter__(self):
            raise AssertionError("read")

    parts = measure(Representation(), vae(Spec((4,), Support.BINARY)), [Batch(torch.ones(9, 4))], train=Unread())
    assert parts.keys() == {"active_units", "kl_per_dim", "mse"}
    assert parts["active_units"].value == 0


def test_probes_are_fitted_to_a_seeded_choice_of_the_training_data(digits):
    train, test = digits
    densities = Identity(Spec((1, 8, 8), Support.UNIT))
    few, other = (measure(Representation(40), densities, test, seed=seed, train=train) for seed in (0, 1))
    rows = choose_rows(600, 40, seed=0)
    cut = [Batch(torch.cat([batch.x for batch in train])[rows], (), torch.cat([batch.y for batch in train])[rows])]
    assert few == measure(Representation(), densities, test, train=cut)
    assert few["probe_accuracy"].value != other["probe_accuracy"].value


def test_probes_of_few_data_see_every_class_of_sorted_ones():
    y = torch.arange(90) // 30
    x = torch.eye(3)[y] + 0.1 * torch.randn(90, 3)
    batches = [Batch(a, (), b) for a, b in zip(x.split(20), y.split(20), strict=True)]
    parts = measure(Representation(20), Identity(Spec((3,), Support.REAL)), batches, train=batches)
    assert (parts["probe_accuracy"].value, parts["knn_accuracy"].value) == (1.0, 1.0)


def test_twice_is_the_same_and_leaves_no_trace(digits, grid):
    spec = Spec((3,), Support.REAL)
    densities = vae(spec, likelihood=normal)
    y = grid[:, 0]
    batches = [
        Batch(*parts) for parts in zip(grid.float().split(400), [()] * 3, y.split(400), grid.split(400), strict=True)
    ]
    state = torch.get_rng_state()
    one = measure(Representation(protocol=FAST), densities, batches, train=batches)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    again = measure(Representation(protocol=FAST), densities, batches, train=batches)
    assert {k: asdict(v) for k, v in one.items()} == {k: asdict(v) for k, v in again.items()}
    assert one.keys() == SCORES | {"active_units", "kl_per_dim", "mse", "probe_accuracy", "knn_accuracy"}
