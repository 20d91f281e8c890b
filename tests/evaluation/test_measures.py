"""What every measure keeps to, and one of a user's own, from its file to the table of runs."""

import json
import logging
import random
import re
import shutil
import sys
import warnings
from typing import final

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from tests.evaluation.registry import ON_DEMAND, measured, measures_of
from tests.evaluation.test_editing import data as attributes
from tests.evaluation.test_editing import model as of_attributes
from tests.helpers import data_for
from tests.models.registry import VARIANTS, make
from tests.shell import QUICK
from torch import nn

from elbolab.cli.checks import check_measures
from elbolab.common.kind import RATE_OF_LAYER
from elbolab.config.renamed import MOVED
from elbolab.config.values import LINK, resolve
from elbolab.data.digits import Digits
from elbolab.densities.latents import Undefined
from elbolab.distributions.corruption import bit_flip
from elbolab.evaluation.declared import KINDS
from elbolab.evaluation.evaluate import Evaluation
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.representation import ACTIVE_OF_LAYER, ORDERED
from elbolab.runs.run_dir import OLD_EVALUATION, renew_evaluation

WHERE = {
    "clusters": "aae, clustering",
    "denoising": "dvae",
    "conditional": "cvae",
    "classification": "m2",
    "few_labels": "m2",
    "representation": "m2",
}
"""A variant that each measure has something to say of; the others of the plainest."""


class Attributes:
    num_labelled = None

    def batches(self, split, device):
        return attributes(200)


def corruption():
    return bit_flip(0.2)


SMALL = {"corruption": corruption, "parzen_samples": 5, "class_samples": 2}


def model_for(name):
    """Densities that a measure has something to say of, with their data."""
    if name == "editing":
        return of_attributes(), Attributes()
    model = make(WHERE.get(name, "vae"))
    return model.densities, data_for(model)


@pytest.mark.parametrize("name", sorted(measures_of() | ON_DEMAND))
def test_a_measure_is_one_of_model_data_and_seed(name):
    """And leaves the noise of others as it was."""
    measure = (measures_of(**SMALL) | ON_DEMAND)[name]
    densities, source = model_for(name)
    data = Data(source, "cpu", limit=20)
    before = torch.get_rng_state()
    first = measure(densities, data, "test", 1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert first
    assert measure(densities, data, "test", 1) == first
    assert {quantity.seed for quantity in measure(densities, data, "test", 2).values()} == {2}
    for quantity_name, quantity in first.items():
        declared = KINDS[quantity_name]
        assert quantity.kind in (declared, type(declared)(**vars(declared) | {"unit": ORDERED}))


LAYERS = {"rate_": RATE_OF_LAYER, "active_units_": ACTIVE_OF_LAYER}
"""Of every layer where there are several, by its number."""


@pytest.mark.parametrize("name", VARIANTS)
def test_everything_that_is_measured_by_default_says_what_it_is(name):
    model = make(name)
    report = measured(model.densities, data_for(model), limit=20, class_samples=2)
    for quantity, entry in report["test"].items():
        kind = (KINDS | LAYERS)[re.sub(r"_\d+$", "_", quantity)]
        assert (entry["better"], entry["headline"], entry["label"]) == (kind.better, kind.headline, kind.label)


@pytest.mark.parametrize("name", ON_DEMAND)
def test_who_asks_for_a_measure_that_a_model_does_not_have_is_told(name, caplog):
    """Those of every evaluation are left out without a word."""
    model = make("discrete_vae, vimco")
    measures = measures_of() | {name: ON_DEMAND[name]}
    report = Evaluation(measures=measures, splits=["test"], seed=0, num_samples=2)(model.densities, data_for(model))
    assert report["test"]
    told = [record.message for record in caplog.records if "is left out" in record.message]
    assert len(told) == 1
    assert repr(name) in told[0]


def test_what_cannot_be_said_is_undefined():
    vae = make("vae")
    data = Data(data_for(vae), "cpu", limit=20)
    for name in ("conditional", "denoising", "restoration", "clusters", "parzen", "classification", "editing"):
        with pytest.raises(Undefined):
            measures_of()[name](vae.densities, data, "test", 0)


SHARPNESS = """
from typing import final

import torch

from elbolab.common.kind import Kind
from elbolab.evaluation.measure import Measure, check_counts
from elbolab.evaluation.quantity import mean_of
from elbolab.evaluation.seeded import evaluating

SHARPNESS = Kind("share of pixels", better="higher", headline=15, label="sharp pixels")


@final
class Sharpness(Measure):
    def __init__(self, num):
        self.num = num
        check_counts(self, "num")

    def __call__(self, densities, data, split, seed):
        with evaluating(densities, "sharpness", seed):
            means = densities.generate(self.num).mean.flatten(1)
        return {"sharpness": mean_of(((means - 0.5).abs() > 0.4).double().mean(1), SHARPNESS, k=None, seed=seed)}
"""
MINE = "+evaluation/measure@evaluation.measures.mine=sharp"


@pytest.fixture
def own(shell, monkeypatch):
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    (shell.folder / "mine.py").write_text(SHARPNESS)
    folder = shell.folder / "own" / "evaluation" / "measure"
    folder.mkdir(parents=True)
    (folder / "sharp.yaml").write_text("_target_: mine.Sharpness\nnum: 7\n")
    return shell


@pytest.mark.usefixtures("no_pictures")
def test_a_measure_of_ones_own_is_one_line(own):
    short = [*QUICK, "trainer.max_epochs=1", "evaluation.limit=20", "hydra.run.dir=outputs/run"]
    out = own("train", "--config-dir=own", *short, MINE)
    assert "sharp pixels [share of pixels]" in out
    entry = json.loads((own.folder / "outputs/run/evaluation.json").read_text())["test"]["sharpness"]
    assert (entry["n"], entry["better"], entry["unit"]) == (7, "higher", "share of pixels")
    assert "sharp pixels" in own("runs")
    own("report", "outputs")
    (page,) = own.folder.rglob("*.html")
    assert "sharp pixels" in page.read_text()
    assert 'data-first="descending"><button type="button">sharp pixels' in page.read_text()
    own("evaluate", "--config-dir=own", "run=outputs/run", "+evaluation.measures.mine.num=3")
    assert json.loads((own.folder / "outputs/run/evaluation.json").read_text())["test"]["sharpness"]["n"] == 3


@pytest.mark.usefixtures("no_pictures")
def test_a_finished_run_is_measured_by_ones_own(own, finished):
    shutil.copytree(finished[0], own.folder / "run")
    own("evaluate", "--config-dir=own", "run=run", MINE, "evaluation.limit=20")
    assert "sharpness" in json.loads((own.folder / "run/evaluation.json").read_text())["test"]
    error = own("evaluate", "--config-dir=own", "run=run", MINE, "evaluation.measures.mine.num=0", fails=True)
    assert "evaluation.measures.mine.num=0: must be at least 1" in error


def at_line(fault):
    """The body of a measure that has this fault in it."""
    return SHARPNESS.replace("        with evaluating", f"        {fault}\n        with evaluating")


WHERE_IT_IS = "(mine.py:21 in __call__; -v shows where)"
FAULTS = {
    "raises": (at_line("len(1)"), f"TypeError: object of type 'int' has no len() {WHERE_IT_IS}"),
    "no unit": (SHARPNESS.replace('"share of pixels"', '""'), "sharpness names no unit"),
    "no quantity": (at_line("return {'sharpness': 1.0}"), "sharpness is a float: give a Quantity"),
    "no mapping": (at_line("return 1.0"), "returned a float"),
    "name of another": (SHARPNESS.replace('{"sharpness"', '{"elbo"'), "two measures have test.elbo"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_measure_shows_before_training(fault, own):
    source, message = FAULTS[fault]
    (own.folder / "mine.py").write_text(source)
    said = own("train", "--config-dir=own", *QUICK, MINE, "hydra.run.dir=outputs/run", fails=True)
    *before, error = said.splitlines()
    assert len(before) == 1  # the data
    assert message in error
    assert fault == "name of another" or "evaluation.measures.mine: " in error
    assert not (own.folder / "outputs").exists()


@pytest.mark.usefixtures("no_pictures")
def test_a_measure_that_fails_after_training_costs_its_own_numbers_alone(own):
    """Nothing is lost with it: once it is mended, the run goes on from where training has ended."""
    large = "assert sum(len(b.x) for b in data.measured(split)) < 20, 'too many'"
    (own.folder / "mine.py").write_text(at_line(large))
    short = [*QUICK, "trainer.max_epochs=1", "hydra.run.dir=outputs/run"]
    error = f"error: MeasureError: evaluation.measures.mine: AssertionError: too many {WHERE_IT_IS}\n"
    assert own("train", "--config-dir=own", *short, MINE, fails=True).endswith(f"images/s\n{error}")
    assert "elbo [nats]" in own.out
    run = own.folder / "outputs/run"
    report = json.loads((run / "evaluation.json").read_text())["test"]
    assert {"elbo", "nll", "mse", "active_units", "mmd2"} <= report.keys()
    assert "sharpness" not in report
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "interrupted"
    assert "evaluation.measures.mine: AssertionError: too many" in status["error"]
    assert own("evaluate", "--config-dir=own", "run=outputs/run", fails=True) == error
    (own.folder / "mine.py").write_text(SHARPNESS)
    sys.modules.pop("mine")
    own("train", "--config-dir=own", "resume=outputs/run")
    again = json.loads((run / "evaluation.json").read_text())["test"]
    assert again.pop("sharpness")["n"] == 7
    assert again == report


@final
class Meddling(Measure):
    """Draws from every generator, and changes what it can of the model."""

    def __call__(self, densities, data, split, seed):
        torch.rand(1), np.random.rand(), random.random()
        densities.train()
        for tensor in (*densities.parameters(), *densities.buffers()):
            tensor.detach().add_(1)
        logging.getLogger("mine").warning("heard")
        warnings.warn("seen", stacklevel=1)
        raise Undefined("all done")


def test_trying_measures_leaves_no_trace(caplog):
    data = Digits(num_labelled=None)
    model = make("vae")
    densities = nn.Sequential(model.densities, nn.BatchNorm1d(3))
    state = {name: value.clone() for name, value in densities.state_dict().items()}
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    check_measures(Evaluation(measures={"mine": Meddling()}, splits=["test"], seed=0, num_samples=2), densities, data)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]
    assert all(torch.equal(value, state[name]) for name, value in densities.state_dict().items())
    assert all(part.training for part in densities.modules())
    assert logging.root.manager.disable == logging.NOTSET
    assert caplog.text == ""


def test_all_measures_are_tried_on_a_handful_of_data():
    read = []

    @final
    class Size(Measure):
        def __call__(self, densities, data, split, seed):
            sizes = {name: [len(batch.x) for batch in data.batches(name)] for name in ("train", "val", "labelled")}
            read.append((split, sizes | {"measured": [len(batch.x) for batch in data.measured(split)]}))
            return {}

    measures = {"one": Size(), "none": None, "other": Size()}
    evaluation = Evaluation(measures=measures, splits=["val", "test"], seed=0, num_samples=2)
    check_measures(evaluation, make("m2").densities, Digits(num_labelled=10))
    assert read == [("val", dict.fromkeys(("train", "val", "labelled", "measured"), [8]))] * 2


@pytest.mark.parametrize("name", VARIANTS)
def test_no_measure_fails_on_a_handful_of_data_of_an_untrained_model(name):
    model = make(name)
    evaluation = Evaluation(measures=measures_of(**SMALL), splits=["test"], seed=0, num_samples=2)
    check_measures(evaluation, model.densities, data_for(model))


@pytest.mark.parametrize("key", MOVED)
def test_an_option_that_has_moved_is_told_where(shell, key):
    error = shell("train", *QUICK, f"{key}=5", fails=True)
    assert error == f"error: '{key}' is now '{MOVED[key]}'\n"


def test_an_experiment_with_an_option_that_has_moved_is_told_where(shell):
    folder = shell.folder / "own" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# @package _global_\nevaluation: {null_pairs: 5}\n")
    error = shell("train", "--config-dir=own", *QUICK, "experiment=mine", fails=True)
    assert "'evaluation.null_pairs' is now 'evaluation.measures.aggregate.null_pairs'" in error


def older():
    """The evaluation of a run of before measures had files of their own."""
    scores = {"_target_": "elbolab.evaluation.representation.Protocol", "num_train": 30, "num_eval": 5000}
    saved = {
        "_target_": OLD_EVALUATION,
        "_partial_": True,
        "splits": ["val"],
        "num_samples": 7,
        "seed": 3,
        "memory": None,
    }
    saved |= {"limit": 20, "decomposition_limit": 11, "probe_limit": 12, "num_neighbours": 13, "aggregate_limit": 14}
    saved |= {"null_pairs": None, "parzen_samples": 15, "class_samples": 16, "class_limit": None, "scores": scores}
    return OmegaConf.create({"evaluation": saved | {"num_corruptions": 5, "corruption": None}})


def test_an_older_run_is_measured_as_it_was():
    cfg = older()
    renew_evaluation(cfg)
    found = OmegaConf.to_container(cfg, resolve=True)["evaluation"]
    measures = found["measures"]
    assert (found["splits"], found["seed"], found["limit"]) == (["val"], 3, 20)
    assert measures["likelihood"]["num_samples"] == measures["conditional"]["num_samples"] == 7
    limits = measures["decomposition"]["limit"], measures["aggregate"]["limit"], measures["conditional"]["class_limit"]
    assert limits == (11, 14, None)
    assert (measures["representation"]["probe_limit"], measures["representation"]["num_neighbours"]) == (12, 13)
    assert (measures["parzen"]["num_samples"], measures["conditional"]["class_samples"]) == (15, 16)
    assert measures["representation"]["protocol"]["num_train"] == 30
    again = OmegaConf.create(OmegaConf.to_container(cfg))
    renew_evaluation(again)
    assert again == cfg


def test_what_measures_have_in_common_stays_so_in_a_run():
    cfg = older()
    renew_evaluation(cfg)
    cfg.evaluation.measures.mine = {"a": "${other}", "b": "${evaluation.limit}"}
    cfg.other = 4
    kept = resolve(cfg)
    measures = OmegaConf.to_container(kept)["evaluation"]["measures"]
    assert measures["mine"] == {"a": 4, "b": "${evaluation.limit}"}
    assert LINK.fullmatch(measures["likelihood"]["num_samples"])
    kept.evaluation.num_samples = 99
    assert kept.evaluation.measures.likelihood.num_samples == 99
    assert resolve(kept) == kept
