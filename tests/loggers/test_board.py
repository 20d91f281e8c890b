import numpy as np
import pytest
from PIL import Image
from tests.walker import Shown

from elbolab.loggers.board import Results, check_writable
from elbolab.loggers.csv_logger import InStep
from elbolab.loggers.wandb import WandbBoard


@pytest.fixture
def results(tmp_path):
    Image.fromarray(np.zeros((2, 3, 4), dtype=np.uint8)).save(tmp_path / "samples.png")
    files = {"model": [tmp_path / "weights"], "figures": [tmp_path / "samples.png"], "evaluation": []}
    return Results(9, {"test/nll": 1.0}, files["figures"], files)


def test_a_finished_run_is_told_whole(results):
    board = Shown(artifacts=["model"])
    board.conclude(results)
    assert board.images == [("figures/samples", 9)]
    assert board.told == [("summary", {"test/nll": 1.0}, 9), ("files", "model", results.files["model"])]
    assert board.close(failed=False) == ["Shown: there"]


def test_a_dashboard_that_fails_costs_a_warning_and_is_counted(run, caplog):
    board, other = Shown(fails=["curves"]), Shown()
    run.fit(InStep(), loggers=[board, other])
    assert board.rows == []
    assert len(other.rows) > 1
    assert caplog.text.count("Shown: the run goes on, but something was not recorded: no curves") == 1
    lines = board.close(failed=False)
    assert lines == ["Shown: there", f"Shown: {len(other.rows)} writes were lost, the first because no curves"]


def test_a_dashboard_that_cannot_be_closed_says_so():
    assert Shown(fails=["close"]).close(failed=True) == ["Shown: 1 writes were lost, the first because no close"]


def test_a_dashboard_that_did_not_begin_says_so_and_is_not_closed():
    board = Shown()
    board.close(failed=False)
    assert board.close(failed=False) == ["Shown: the run did not begin"]


def test_a_resumed_run_rewinds_and_a_checkpoint_flushes(run, tmp_path):
    board = Shown()
    trainer = run.fit(InStep(), loggers=[board], max_epochs=1)
    assert board.told[0] == ("rewind", 0)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    assert board.told[-1] == ("flush",)
    board = Shown()
    run.fit(InStep(), loggers=[board], resume=tmp_path / "last.ckpt")
    assert board.told[0] == ("rewind", 10)
    assert board.rows[0][0] == 13


def test_other_ranks_write_nothing(monkeypatch):
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    board = Shown()
    board._own = None  # as on ranks that never began
    board.log_metrics({"a": 1.0}, 3)
    board.log_hyperparams({})
    assert board.close(failed=False) == []
    assert board.rows == board.told == []
    assert board.experiment.log({"a": 1.0}) is None


def test_a_dashboard_that_did_not_begin_ends_no_training(run, tmp_path, caplog):
    """Lightning asks every logger for its `experiment`, on every rank."""
    board = WandbBoard("elbolab", tmp_path)
    run.fit(InStep(), loggers=[board])
    assert "W&B: the run goes on, but something was not recorded: the run has not begun" in caplog.text
    assert board.close(failed=False) == ["W&B: the run did not begin", board.close(failed=False)[-1]]


def test_files_that_no_run_has_are_refused():
    with pytest.raises(
        ValueError, match=r"logger\.shown\.artifacts=\[weigths\]: choose any of model, figures, evaluation"
    ):
        Shown(artifacts=["weigths"])


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"logger\.wandb\.save_dir=.*file/x: .*Name a folder that you may write"):
        check_writable("logger.wandb.save_dir", tmp_path / "file" / "x")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ValueError, match="you may not write there"):
        check_writable("logger.wandb.save_dir", tmp_path / "new")
