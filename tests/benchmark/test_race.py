import logging

import pytest
from tests.benchmark.test_options import GOOD

from elbolab.benchmark import race
from elbolab.benchmark.contenders import find_available
from elbolab.benchmark.options import Options

SHORT = GOOD | {"models": ["mlp"], "batches": {"mlp": [10, 35]}, "seconds": 0.01, "repeats": 2}


@pytest.fixture
def run(case, monkeypatch):
    """A race on the tiny case."""
    monkeypatch.setattr(race, "TRAINED", {"mlp": lambda device: case})
    monkeypatch.setattr(race, "burda", lambda device: case)

    def run(**values):
        options = Options.of(**SHORT | values)
        contenders, _ = find_available(options.implementations, options.where)
        return race.race(contenders, options)

    return run


def test_every_task_has_its_group(run, caplog):
    with caplog.at_level(logging.INFO, "elbolab.benchmark"):
        groups = run(nll={"num_samples": 7, "images": 4}, implementations=["raw_eager", "elbolab", "lightning"])
    found = [[(r.task, r.model, r.batch, r.implementation) for r in group] for group in groups]
    train = [("train", "tiny", 10), ("train", "tiny", 35)]
    assert found[:2] == [[(*task, name) for name in ("raw_eager", "elbolab", "lightning")] for task in train]
    assert found[2:] == [[("nll", "tiny, K=7", 4, name) for name in ("raw_eager", "elbolab")]]
    assert all(len(r.rates) == 2 and min(r.rates) > 0 for group in groups for r in group)
    assert "training tiny at batch size 35" in caplog.text


def test_images_are_counted_not_steps(run, monkeypatch):
    """A contender that says that every step takes a second trains ``batch`` images a second."""
    from elbolab.benchmark.contender import Contender

    def train(case, batch, steps, watch):
        watch.seconds = float(steps)

    monkeypatch.setattr(race, "calibrate", lambda *_: 3)
    monkeypatch.setattr("elbolab.benchmark.contenders.CONTENDERS", {"raw_eager": Contender("raw_eager", train)})
    groups = run(implementations=["raw_eager"])
    assert [list(result.rates) for (result,) in groups] == [[10.0, 10.0], [35.0, 35.0]]


def test_as_many_images_as_fit(run):
    ((eager,),) = run(models=[], nll={"num_samples": 3, "images": "auto"}, implementations=["raw_eager"])
    assert 1 <= eager.batch <= 6


def test_no_log_likelihood_unless_asked_for(run):
    assert len(run(nll=None)) == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batches": {"mlp": [71]}}, "batches.tiny=71: there are only 70 images"),
        ({"models": [], "nll": {"num_samples": 3, "images": 7}}, "nll.images=7: there are only 6 test images"),
    ],
)
def test_more_than_there_is_is_refused(values, message, run):
    with pytest.raises(ValueError, match=message):
        run(**values)


def test_as_many_images_are_handed_over_as_are_counted(run, monkeypatch):
    from elbolab.benchmark.contender import Contender

    handed = []

    def nll(case, images, num_samples, watch):
        handed.append((len(images), num_samples))
        watch.seconds = 2.0

    contender = Contender("raw_eager", None, nll)
    monkeypatch.setattr("elbolab.benchmark.contenders.CONTENDERS", {"raw_eager": contender})
    ((result,),) = run(models=[], nll={"num_samples": 9, "images": 4}, implementations=["raw_eager"])
    assert handed == [(4, 9)] * 2
    assert (result.batch, list(result.rates)) == (4, [2.0, 2.0])
