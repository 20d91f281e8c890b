import csv

import pytest
from lightning.pytorch.callbacks import Callback

from elbolab.loggers.csv_logger import AppendingCSVLogger, InStep


def read(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def steps(folder):
    return [int(row["step"]) for row in read(folder)]


@pytest.fixture
def logger(tmp_path):
    return AppendingCSVLogger(tmp_path)


def test_a_row_is_on_disk_as_soon_as_it_is_logged(logger, tmp_path):
    logger.log_metrics({"train/elbo": -1.25, "epoch": 0}, 49)
    assert (tmp_path / "metrics.csv").read_text() == "step,epoch,train/elbo\n49,0,-1.25\n"


def test_rows_of_one_step_are_one_row(logger, tmp_path):
    logger.log_metrics({"train/elbo": -2.0}, 49)
    logger.log_metrics({"val/elbo": -3.0}, 49)
    logger.log_metrics({"train/elbo": -1.0}, 99)
    logger.log_metrics({"val/elbo": -1.5}, 99)
    text = "step,epoch,train/elbo,val/elbo\n49,,-2,-3\n99,,-1,-1.5\n"
    assert (tmp_path / "metrics.csv").read_text() == text


def test_a_shorter_value_replaces_a_longer_one_whole(logger, tmp_path):
    logger.log_metrics({"a": 1.0, "b": 0.0}, 1)
    logger.log_metrics({"a": -1234.5678}, 2)
    logger.log_metrics({"a": 3.0}, 2)
    assert (tmp_path / "metrics.csv").read_text() == "step,epoch,a,b\n1,,1,0\n2,,3,\n"


def test_a_new_column_keeps_every_row(logger, tmp_path):
    logger.log_metrics({"a": 1.0}, 1)
    logger.log_metrics({"b": 2.0}, 2)
    assert read(tmp_path) == [
        {"step": "1", "epoch": "", "a": "1", "b": ""},
        {"step": "2", "epoch": "", "a": "", "b": "2"},
    ]


@pytest.mark.parametrize("value", [0.1, 1 / 3, -1e-30, 1e22, float("inf"), -105.12345123291016])
def test_values_read_back_exactly(logger, tmp_path, value):
    logger.log_metrics({"a": value}, 1)
    assert float(read(tmp_path)[0]["a"]) == value


def test_nan_is_written(logger, tmp_path):
    logger.log_metrics({"a": float("nan")}, 1)
    assert read(tmp_path)[0]["a"] == "nan"


@pytest.mark.parametrize(
    ("step", "left"), [(0, []), (49, []), (50, [49]), (99, [49]), (100, [49, 99]), (500, [49, 99])]
)
def test_rewind_drops_steps_not_yet_taken(logger, tmp_path, step, left):
    for logged in (49, 99):
        logger.log_metrics({"a": 1.0}, logged)
    logger.rewind(step)
    assert steps(tmp_path) == left
    logger.log_metrics({"a": 2.0}, 200)
    assert steps(tmp_path) == [*left, 200]


def test_nothing_is_written_before_something_is_logged(logger, tmp_path):
    assert logger.save_dir == str(tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_ranks_write_nothing(logger, tmp_path, monkeypatch):
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger.log_metrics({"a": 1.0}, 1)
    logger.rewind(0)
    assert not list(tmp_path.iterdir())


def test_a_fit_writes_one_row_a_block_on_the_axis_of_optimiser_steps(run, logger):
    run.fit(InStep(), loggers=[logger])
    rows = read(run.folder)
    assert [int(row["step"]) for row in rows] == [3, 7, 9, 13, 17, 19]
    assert [int(row["train/elbo"]) for row in rows] == [4, 8, 10, 14, 18, 20]
    assert [row["val/elbo"] for row in rows] == ["", "", "10.5", "", "", "20.5"]
    assert [row["epoch"] for row in rows] == ["0", "0", "0", "1", "1", "1"]


def test_a_fresh_run_drops_what_an_older_one_left(run):
    run.fit(InStep(), loggers=[AppendingCSVLogger(run.folder)], max_steps=20)
    run.fit(InStep(), loggers=[AppendingCSVLogger(run.folder)], max_steps=8)
    assert steps(run.folder) == [3, 7]


class SaveAt(Callback):
    """Saves a checkpoint in the middle of an epoch, and stops as SIGKILL does: nothing more is logged."""

    def __init__(self, step, path):
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            raise Killed


class Killed(Exception):
    pass


@pytest.mark.parametrize("step", [4, 8, 10, 14, 20])
@pytest.mark.parametrize("stale", [False, True])
def test_a_resumed_run_leaves_no_gap_and_no_double_row(run, tmp_path, step, stale):
    path = tmp_path / "last.ckpt"
    run.fit(InStep(), loggers=[AppendingCSVLogger(tmp_path / "whole")])
    with pytest.raises(Killed):
        run.fit(SaveAt(step, path), InStep(), loggers=[AppendingCSVLogger(run.folder)])
    if stale:  # the killed run had gone on beyond its checkpoint
        AppendingCSVLogger(run.folder).log_metrics({"train/elbo": -1.0}, step + 1)
    run.fit(InStep(), loggers=[AppendingCSVLogger(run.folder)], resume=path)
    expected = read(tmp_path / "whole")
    for row in expected:
        if int(row["step"]) == step - 1:
            row["val/elbo"] = ""  # Lightning does not run a validation that was due when the checkpoint was saved
    assert read(run.folder) == expected
