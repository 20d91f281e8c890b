"""Everything measured, on small models."""

from dataclasses import replace
from functools import partial
from typing import final

import pytest
import torch
from tests.evaluation.registry import measured, measures_of

from elbolab.batch import Batch, Spec, Support, name_by_number
from elbolab.common.kind import Kind
from elbolab.common.refusal import Refusal
from elbolab.densities.latents import Undefined
from elbolab.densities.layer import Layer, single_layer
from elbolab.densities.wiring import autoencoder
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.corruption import gaussian_noise
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.point_mass import Deterministic
from elbolab.evaluation.aggregate import Aggregation
from elbolab.evaluation.conditional import Conditional
from elbolab.evaluation.decomposition import Decomposition
from elbolab.evaluation.denoising import DenoisingBounds
from elbolab.evaluation.editing import Editing
from elbolab.evaluation.evaluate import Evaluation, MeasureError, evaluate
from elbolab.evaluation.likelihood import Likelihood
from elbolab.evaluation.measure import Data, First, Measure
from elbolab.evaluation.parzen import Parzen
from elbolab.evaluation.quantity import mean_of
from elbolab.evaluation.report import check_report, table
from elbolab.evaluation.representation import PROTOCOL, Representation
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


SPEC = Spec((6,), Support.BINARY, 2, classes=name_by_number(2))
LIKELIHOOD = partial(Head, net=NET, family=Bernoulli)


@pytest.fixture
def vae() -> Layer:
    torch.manual_seed(0)
    return single_layer(SPEC, 3, StandardNormal, partial(Head, net=NET, family=DiagonalNormal), LIKELIHOOD)


def test_twice_gives_the_same_report_and_it_is_valid(vae):
    first, again = (measured(vae, Source(), **OPTIONS | {"splits": ["test", "val"]}) for _ in range(2))
    assert first == again
    assert list(first) == ["test", "val"]
    check_report(first)
    wanted = {"elbo", "rate", "distortion", "nll", "ess", "active_units", "kl_per_dim", "probe_accuracy", "mse"}
    assert wanted <= first["test"].keys()
    assert (first["test"]["nll"]["n"], first["test"]["nll"]["k"]) == (40, 5)
    assert first["test"]["nll"]["value"] < -first["test"]["elbo"]["value"]


def test_rate_and_distortion_make_the_elbo(vae):
    values = {name: entry["value"] for name, entry in measured(vae, Source(), **OPTIONS)["test"].items()}
    assert values["elbo"] == pytest.approx(-values["rate"] - values["distortion"], abs=1e-5)
    assert values["rate"] == pytest.approx(sum(values["kl_per_dim"]), abs=1e-5)


def test_what_an_autoencoder_lacks_is_absent():
    torch.manual_seed(0)
    model = autoencoder(SPEC, 3, None, partial(Head, net=NET, family=Deterministic), LIKELIHOOD)
    report = measured(model, Source(), **OPTIONS)
    assert "distortion" in report["test"]
    assert "probe_accuracy" in report["test"]
    assert not report["test"].keys() & {"elbo", "rate", "nll", "ess", "kl_per_dim", "mutual_information"}


def test_the_limit_is_in_data(vae):
    report = measured(vae, Source(), **OPTIONS, limit=21)
    assert {report["test"][name]["n"] for name in ("elbo", "nll", "mse", "active_units")} == {21}


def test_one_datum_has_no_standard_error(vae):
    report = measured(vae, Source(), **OPTIONS, limit=1)
    assert report["test"]["nll"]["stderr"] is None


def test_first_can_be_asked_again():
    batches = First(Source().batches("test", "cpu"), 20)
    assert [sum(len(batch.x) for batch in batches) for _ in range(2)] == [20, 20]


def test_every_float32_states_its_matmul_precision(vae):
    report = measured(vae, Source(), **OPTIONS)
    assert {entry["dtype"] for entry in report["test"].values()} == {"float32, highest matmul"}


def test_one_sample_always_carries_its_estimate_so_nothing_is_said_of_it(vae):
    report = measured(vae, Source(), **OPTIONS | {"num_samples": 1})
    assert "nll" in report["test"]
    assert not report["test"].keys() & {"ess", "degenerate"}


@pytest.mark.parametrize(("num_samples", "says"), [(2, False), (3, False), (9, False), (10, True)])
def test_few_samples_have_few_that_count_whatever_the_weights(vae, num_samples, says):
    """Of two samples the effective size is always below 2: it was called degenerate."""
    report = measured(vae, Source(), **OPTIONS | {"num_samples": num_samples})["test"]
    assert "ess" in report
    assert ("degenerate" in report) == says


def test_data_of_one_class_are_measured_without_probes(vae):
    source = Source()
    source.splits = {
        split: [batch._replace(y=torch.zeros_like(batch.y)) for batch in batches]
        for split, batches in source.splits.items()
    }
    report = measured(vae, source, **OPTIONS)
    assert "elbo" in report["test"]
    assert not report["test"].keys() & {"probe_accuracy", "knn_accuracy"}


def test_degenerate_weights_are_told(vae, caplog):
    with torch.no_grad():
        vae.likelihood.net.layers[-1].weight.mul_(300)
    measured(vae, Source(), **OPTIONS | {"num_samples": 50})
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
        ({"seed": -1}, "evaluation.seed=-1: a seed is a whole number"),
        ({"num_corruptions": 0}, "evaluation.num_corruptions=0: must be at least 1"),
        ({"probe_limit": 0}, "evaluation.probe_limit=0: must be at least 1"),
        ({"scores": PROTOCOL._replace(num_train=0)}, "evaluation.scores.num_train=0: must be at least 1"),
        ({"scores": PROTOCOL._replace(num_eval=0)}, "evaluation.scores.num_eval=0: must be at least 1"),
        ({"corruption": partial(gaussian_noise, -1.0)}, "corruption scale=-1"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Evaluation(measures={}, **OPTIONS | options)


@pytest.mark.parametrize(
    ("measure", "option"),
    [
        (partial(Likelihood, 1), "num_corruptions"),
        (Likelihood, "num_samples"),
        (partial(Likelihood, 1), "memory"),
        (Conditional, "num_samples"),
        (partial(Conditional, 1), "class_samples"),
        (partial(Conditional, 1), "class_limit"),
        (partial(Conditional, 1), "num_corruptions"),
        (DenoisingBounds, "num_corruptions"),
        (Decomposition, "limit"),
        (Aggregation, "limit"),
        (Aggregation, "null_pairs"),
        (Parzen, "num_samples"),
        (Representation, "probe_limit"),
        (Representation, "num_neighbours"),
        (Editing, "num_train"),
        (Editing, "num_eval"),
    ],
)
def test_a_measure_refuses_its_own_options(measure, option):
    with pytest.raises(ValueError, match=rf"\w+.{option}=0: must be at least 1"):
        measure(**{option: 0})


@final
class Count(Measure):
    """How many data there are, under any name."""

    def __init__(self, name):
        self.name = name

    def __call__(self, densities, data, split, seed):
        values = torch.cat([batch.x for batch in data.measured(split)]).sum(1)
        return {self.name: mean_of(values, Kind("pixels", "lower", 5, "ink"), k=None, seed=seed)}


@final
class Nothing(Measure):
    def __call__(self, densities, data, split, seed):
        raise Undefined("nothing can be said")


def test_a_measure_of_ones_own_is_measured_beside_others(vae):
    data, measures = Data(Source(), "cpu"), {"mine": Count("ink"), "none": Nothing(), "likelihood": Likelihood(2)}
    report = evaluate(vae, data, measures, ["test", "val"], 3)
    assert [set(quantities) for quantities in report.values()] == [
        {"elbo", "rate", "distortion", "nll", "ess", "ink"}
    ] * 2
    ink = report["test"]["ink"]
    assert (ink["unit"], ink["better"], ink["headline"], ink["label"], ink["seed"]) == ("pixels", "lower", 5, "ink", 3)
    assert table(report).splitlines()[1].startswith("ink [pixels]")


@pytest.mark.parametrize("name", ["ink", "elbo"])
def test_two_measures_have_no_quantity_in_common(vae, name):
    measures = {"one": Count("ink"), "likelihood": Likelihood(2), "other": Count(name)}
    with pytest.raises(ValueError, match=f"two measures have test.{name}: rename that of one"):
        evaluate(vae, Data(Source(), "cpu"), measures, ["test"], 0)


@final
class Wrong(Measure):
    """Returns what it is told to, or raises it."""

    def __init__(self, found):
        self.found = found

    def __call__(self, densities, data, split, seed):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


INK = mean_of(torch.ones(3), Kind("pixels"), k=None, seed=0)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (1.0, "returned a float: return {name: mean_of"),
        ({"ink": 1.0}, "ink is a float: give a Quantity"),
        ({"ink": replace(INK, kind=Kind(""))}, "ink names no unit"),
        ({"ink": replace(INK, kind=None)}, "ink names no unit"),
        ({"ink": replace(INK, value=torch.ones(()))}, "ink has a Tensor as its value"),
        ({"ink": replace(INK, value=[1.0, None])}, "ink has a NoneType as its value"),
        ({"ink": replace(INK, n=0)}, "test.ink: n must be a positive whole number"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
        (Refusal("a refusal"), "Refusal: a refusal"),
    ],
)
def test_a_measure_that_fails_is_named_and_the_others_are_reported(vae, found, fault):
    measures = {"mine": Wrong(found), "likelihood": Likelihood(2), "ink": Count("ink")}
    with pytest.raises(MeasureError) as error:
        evaluate(vae, Data(Source(), "cpu"), measures, ["test", "val"], 0)
    assert str(error.value).startswith("evaluation.measures.mine: ")
    assert fault in str(error.value)
    whole = evaluate(vae, Data(Source(), "cpu"), measures | {"mine": Nothing()}, ["test", "val"], 0)
    assert error.value.report == whole
    assert "ink" in whole["test"]


def test_a_reduced_measure_takes_two_of_all_that_it_counts():
    measures = measures_of(500, parzen_samples=None, memory=None)
    reduced = Evaluation(measures=measures | {"none": None}, **OPTIONS | {"splits": ["val", "test"]}).reduce()
    assert reduced.splits == ["val"]
    assert reduced.measures["likelihood"] == Likelihood(2, 2, None)
    assert reduced.measures["conditional"] == Conditional(2, 2, 2, 2, None)
    assert reduced.measures["aggregate"] == Aggregation(2, None)
    assert (reduced.measures["parzen"], reduced.measures["none"]) == (Parzen(None), None)
    assert reduced.measures["editing"] == Editing(2, 2)
    assert measures["likelihood"].num_samples == 500
    assert Likelihood(1).reduce() == Likelihood(1)


def test_null_is_no_measure(vae):
    measures = {"likelihood": None, "mine": Count("ink")}
    report = Evaluation(measures=measures, **OPTIONS)(vae, Source())
    assert set(report["test"]) == {"ink"}
