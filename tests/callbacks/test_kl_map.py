import numpy as np
import pytest
from tests.walker import Shown

from elbolab.callbacks.kl_map import KlMap
from elbolab.common.kind import Kind
from elbolab.densities.latents import Undefined
from elbolab.evaluation.figures.curves import kl_map, read_kl
from elbolab.evaluation.quantity import Quantity


@pytest.fixture
def kl(monkeypatch):
    """What is measured, by call."""
    rows = []

    def measure(densities, batches, *, seed):
        value = [1.5, float(len(rows)), 0.0]
        rows.append((batches[0].x.clone(), value))
        return {"kl_per_dim": Quantity(value, None, 100, None, seed, "float32", Kind("nats"))}

    monkeypatch.setattr("elbolab.callbacks.kl_map.kl_quantities", measure)
    return rows


def test_every_validation_is_a_row_on_the_axis_of_optimiser_steps(run, kl, tmp_path):
    board = Shown()
    run.fit(KlMap(tmp_path), loggers=[board], max_epochs=3)
    steps, rows = read_kl(tmp_path / "kl_per_dim.csv")
    assert steps.tolist() == [9, 19, 29]
    assert rows.tolist() == [value for _, value in kl]
    assert [(name, row.tolist(), step) for name, row, step in board.heats] == [
        ("val/kl_per_dim", value, step) for (_, value), step in zip(kl, [9, 19, 29], strict=True)
    ]
    assert all((x == kl[0][0]).all() for x, _ in kl)


def test_a_new_run_in_the_same_place_begins_anew(run, kl, tmp_path):
    run.fit(KlMap(tmp_path), loggers=[], max_epochs=3)
    run.fit(KlMap(tmp_path), loggers=[], max_epochs=2)
    assert read_kl(tmp_path / "kl_per_dim.csv")[0].tolist() == [9, 19]


def test_a_model_without_kl_has_no_table_and_is_asked_once(run, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("elbolab.callbacks.kl_map.kl_quantities", lambda *_, **__: asked.append(1) or {})
    run.fit(KlMap(tmp_path), loggers=[], max_epochs=3)
    assert list(tmp_path.iterdir()) == []
    assert asked == [1]


def test_the_map_orders_dimensions_by_their_last_kl(tmp_path):
    path = tmp_path / "kl_per_dim.csv"
    path.write_text("step,epoch,0,1,2\n9,0,1,2,3\n19,1,0.5,7,4\n")
    axes, bar = kl_map(path).axes
    mesh = axes.collections[0]
    assert np.asarray(mesh.get_array()).reshape(3, 2).tolist() == [[2, 7], [3, 4], [1, 0.5]]
    assert axes.get_xlabel() == "optimiser step"
    assert "nats" in bar.get_ylabel()


@pytest.mark.parametrize("text", [None, "step,epoch,0\n", "step,epoch,0\n9,0,1\n", "step,epoch\n9,0\n19,1\n"])
def test_one_validation_is_no_map(tmp_path, text):
    if text is not None:
        (tmp_path / "kl.csv").write_text(text)
    with pytest.raises(Undefined):
        kl_map(tmp_path / "kl.csv")
