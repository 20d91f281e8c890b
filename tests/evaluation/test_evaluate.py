"""Everything measured, on small models."""

from functools import partial

import pytest
import torch

from elbolab.batch import Batch, Spec, Support, numbered
from elbolab.densities.layer import Layer
from elbolab.densities.wiring import autoencoder, single_layer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.point_mass import Deterministic
from elbolab.evaluation.evaluate import First, evaluate
from elbolab.evaluation.report import check
from elbolab.nets.mlp import MLP

NET = partial(MLP, hidden=[8], activation="Tanh", init="glorot")
OPTIONS = {"splits": ["test"], "num_samples": 5, "seed": 0}


class Source:
    """Labelled binary vectors."""

    num_labelled = None

    def __init__(self, sizes=(80, 30, 40)):
        generator = torch.Generator().manual_seed(0)
        self.splits = {}
        for split, size in zip(("train", "val", "test"), sizes, strict=True):
            y = torch.arange(size) % 2
            x = (torch.rand(size, 6, generator=generator) < 0.2 + 0.6 * y[:, None]).float()
            self.splits[split] = [Batch(a, y=b) for a, b in zip(x.split(16), y.split(16), strict=True)]

    def batches(self, split, device):
        return self.splits[split]


SPEC = Spec((6,), Support.BINARY, 2, classes=numbered(2))
LIKELIHOOD = partial(Head, net=NET, family=Bernoulli)


@pytest.fixture
def vae() -> Layer:
    torch.manual_seed(0)
    return single_layer(SPEC, 3, StandardNormal, partial(Head, net=NET, family=DiagonalNormal), LIKELIHOOD)


def test_twice_gives_the_same_report_and_it_is_valid(vae):
    first, again = (evaluate(vae, Source(), **OPTIONS | {"splits": ["test", "val"]}) for _ in range(2))
    assert first == again
    assert list(first) == ["test", "val"]
    check(first)
    wanted = {"elbo", "rate", "distortion", "nll", "ess", "active_units", "kl_per_dim", "probe_accuracy", "mse"}
    assert wanted <= first["test"].keys()
    assert (first["test"]["nll"]["n"], first["test"]["nll"]["k"]) == (40, 5)
    assert first["test"]["nll"]["value"] < -first["test"]["elbo"]["value"]


def test_rate_and_distortion_make_the_elbo(vae):
    values = {name: entry["value"] for name, entry in evaluate(vae, Source(), **OPTIONS)["test"].items()}
    assert values["elbo"] == pytest.approx(-values["rate"] - values["distortion"], abs=1e-5)
    assert values["rate"] == pytest.approx(sum(values["kl_per_dim"]), abs=1e-5)


def test_what_an_autoencoder_lacks_is_absent():
    torch.manual_seed(0)
    model = autoencoder(SPEC, 3, None, partial(Head, net=NET, family=Deterministic), LIKELIHOOD)
    report = evaluate(model, Source(), **OPTIONS)
    assert "distortion" in report["test"]
    assert "probe_accuracy" in report["test"]
    assert not report["test"].keys() & {"elbo", "rate", "nll", "ess", "kl_per_dim", "mutual_information"}


def test_the_limit_is_in_data(vae):
    report = evaluate(vae, Source(), **OPTIONS, limit=21)
    assert {report["test"][name]["n"] for name in ("elbo", "nll", "mse", "active_units")} == {21}


def test_one_datum_has_no_standard_error(vae):
    report = evaluate(vae, Source(), **OPTIONS, limit=1)
    assert report["test"]["nll"]["stderr"] is None


def test_first_can_be_asked_again():
    batches = First(Source().batches("test", "cpu"), 20)
    assert [sum(len(batch.x) for batch in batches) for _ in range(2)] == [20, 20]


def test_every_float32_states_its_matmul_precision(vae):
    report = evaluate(vae, Source(), **OPTIONS)
    assert {entry["dtype"] for entry in report["test"].values()} == {"float32, highest matmul"}


def test_one_sample_always_carries_its_estimate_so_nothing_is_said_of_it(vae):
    report = evaluate(vae, Source(), **OPTIONS | {"num_samples": 1})
    assert "nll" in report["test"]
    assert not report["test"].keys() & {"ess", "degenerate"}


@pytest.mark.parametrize(("num_samples", "says"), [(2, False), (3, False), (9, False), (10, True)])
def test_few_samples_have_few_that_count_whatever_the_weights(vae, num_samples, says):
    """Of two samples the effective size is always below 2: it was called degenerate."""
    report = evaluate(vae, Source(), **OPTIONS | {"num_samples": num_samples})["test"]
    assert "ess" in report
    assert ("degenerate" in report) == says


def test_data_of_one_class_are_measured_without_probes(vae):
    source = Source()
    source.splits = {
        split: [batch._replace(y=torch.zeros_like(batch.y)) for batch in batches]
        for split, batches in source.splits.items()
    }
    report = evaluate(vae, source, **OPTIONS)
    assert "elbo" in report["test"]
    assert not report["test"].keys() & {"probe_accuracy", "knn_accuracy"}


def test_degenerate_weights_are_told(vae, caplog):
    with torch.no_grad():
        vae.likelihood.net.layers[-1].weight.mul_(300)
    evaluate(vae, Source(), **OPTIONS | {"num_samples": 50})
    assert "test: importance weights degenerate" in caplog.text
    assert "evaluation.num_samples" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splits": ["tset"]}, r"evaluation.splits=\['tset'\]: choose from train, val, test"),
        ({"splits": []}, r"evaluation.splits=\[\]: choose"),
        ({"num_samples": 0}, "evaluation.num_samples=0: must be at least 1"),
        ({"limit": 0}, "evaluation.limit=0: must be at least 1"),
        ({"memory": 0}, "evaluation.memory=0: must be at least 1"),
        ({"probe_limit": 0}, "evaluation.probe_limit=0: must be at least 1"),
        ({"decomposition_limit": 0}, "evaluation.decomposition_limit=0: must be at least 1"),
        ({"num_neighbours": 0}, "evaluation.num_neighbours=0: must be at least 1"),
    ],
)
def test_impossible_options_are_named(vae, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(vae, Source(), **OPTIONS | options)
