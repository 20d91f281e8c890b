from types import SimpleNamespace

import pytest
import torch
from matplotlib.figure import Figure
from tests.walker import Shown

from elbolab.callbacks.figures import Figures
from elbolab.loggers.csv_logger import AppendingCSVLogger


class Drawn:
    """A drawing that disturbs what it can: noise, modes, gradients."""

    def __init__(self):
        self.calls = []

    def __call__(self, densities, batches, *, seed):
        assert not densities.training
        assert not torch.is_grad_enabled()
        self.calls.append((batches[0].x.clone(), torch.rand(1).item(), seed))
        densities.train()
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1])
        return {"line": figure}


def test_every_nth_validation_is_drawn_on_the_axis_of_optimiser_steps(run):
    draw, logger = Drawn(), Shown()
    run.fit(Figures(draw, every=2), loggers=[logger], max_epochs=5)
    assert logger.images == [("figures/line", 9), ("figures/line", 29), ("figures/line", 49)]


def test_every_drawing_has_the_same_data_and_noise(run):
    draw = Drawn()
    run.fit(Figures(draw, every=1, seed=3), loggers=[Shown()], max_epochs=3)
    (x, noise, seed), *others = draw.calls
    assert len(others) == 2
    assert seed == 3
    assert all(torch.equal(x, other) and noise == drawn for other, drawn, _ in others)


def test_training_does_not_notice(run):
    def last_noise(*callbacks):
        torch.manual_seed(0)
        trainer = run.fit(*callbacks, loggers=[Shown()])
        assert all(module.training for module in trainer.lightning_module.modules())
        return torch.rand(4)

    assert torch.equal(last_noise(), last_noise(Figures(Drawn(), every=1)))


def test_keeping_a_batch_whose_fetch_is_noisy_leaves_the_noise_alone(monkeypatch):
    state, seen = torch.get_rng_state(), []
    figures = Figures(Drawn(), every=1)
    monkeypatch.setattr(figures, "observe", lambda trainer, densities, batch: seen.append(batch))
    trainer = SimpleNamespace(loggers=[Shown()], is_global_zero=True, sanity_checking=False)
    module = SimpleNamespace(device=torch.device("cpu"), densities=None)
    figures.on_validation_batch_start(trainer, module, (torch.rand(1) for _ in range(2)), 0)
    for _ in range(2):
        figures.on_validation_epoch_end(trainer, module)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(seen) == 1


def test_nothing_is_drawn_for_loggers_without_images(run, tmp_path):
    draw = Drawn()
    run.fit(Figures(draw, every=1), loggers=[AppendingCSVLogger(tmp_path)])
    assert draw.calls == []


def test_the_count_of_validations_survives_a_checkpoint():
    figures = Figures(Drawn(), every=3)
    figures.load_state_dict({"seen": 5})
    assert figures.state_dict() == {"seen": 5}


def test_nothing_is_drawn_while_training_unless_asked_for(run):
    draw = Drawn()
    run.fit(Figures(draw), loggers=[Shown()])
    assert draw.calls == []


def test_drawing_at_no_validation_is_refused():
    with pytest.raises(ValueError, match=r"callbacks\.figures\.every=0"):
        Figures(Drawn(), every=0)
