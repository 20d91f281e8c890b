import time

import pytest
from PIL import Image

from elbolab.loggers.board import Results
from elbolab.loggers.mlflow import MLflowBoard

real = pytest.mark.slow  # MLflow is imported in 3 s, and a new database is made in 8 s


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One for all: making a database takes seconds."""
    return tmp_path_factory.mktemp("store")


def board_of(folder, store, **options):
    board = MLflowBoard("elbolab", folder, store, group="sweep", name="first", tags=["a", "b"], **options)
    board.begin({})
    return board


def found(store, folder):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    return client, client.get_run((folder / "mlflow_id.txt").read_text().strip())


def told(board, folder, beta=4.0):
    Image.new("RGB", (3, 2)).save(folder / "samples.png")
    (folder / "weights").write_text("numbers")
    board.log_hyperparams({"model": {"beta": beta, "long": "x" * 9000}, "seed": 1})
    files = {"model": [folder / "weights"]}
    board.conclude(Results(29, {"test/nll": 95.5, "test/nll_stderr": 0.25}, [folder / "samples.png"], files))
    return board.close(failed=False)


@real
def test_a_run_and_its_resumption_are_one_in_one_sqlite_store(run, tmp_path, store):
    for epochs, beta in ((1, 4.0), (2, 8.0)):  # the second value of a parameter is in config.yaml alone
        board = board_of(tmp_path, store, artifacts=["model"])
        assert found(store, tmp_path)[1].info.status == "RUNNING"
        run.fit(loggers=[board], max_epochs=epochs)
        (line,) = told(board, tmp_path, beta)
        assert line == f"MLflow: mlflow ui --backend-store-uri sqlite:///{store / 'mlflow.db'}"
    client, kept = found(store, tmp_path)
    assert (kept.info.run_name, kept.info.status) == ("first", "FINISHED")
    assert (kept.data.tags["group"], kept.data.tags["tags"]) == ("sweep", "a, b")
    assert kept.data.params["model.beta"] == "4.0"
    assert kept.data.metrics["test/nll"] == 95.5
    assert sorted({point.step for point in client.get_metric_history(kept.info.run_id, "val/elbo")}) == [9, 19]
    artifacts = {item.path for item in client.list_artifacts(kept.info.run_id)}
    assert artifacts == {"config.yaml", "images", "model"}
    assert any(
        "figures" in item.path and "step+29" in item.path for item in client.list_artifacts(kept.info.run_id, "images")
    )
    assert len(client.search_runs([kept.info.experiment_id], "tags.`mlflow.runName` = 'first'")) == 1


@real
def test_what_a_killed_run_comes_to_again_is_written_once(tmp_path, store):
    for steps in ((9, 19, 29), (19, 29, 39)):
        board = board_of(tmp_path, store)
        board.rewind(10 if steps[0] > 9 else 0)
        for step in steps:
            board.log_metrics({"val/elbo": float(step)}, step)
        board.conclude(Results(39, {"test/nll": float(steps[0])}, [], {}))
        assert len(board.close(failed=False)) == 1
    client, kept = found(store, tmp_path)
    assert [point.step for point in client.get_metric_history(kept.info.run_id, "val/elbo")] == [9, 19, 29, 39]
    assert kept.data.metrics["test/nll"] == 19.0  # what was measured anew


@real
def test_a_run_whose_store_is_gone_begins_anew(tmp_path, store):
    (tmp_path / "mlflow_id.txt").write_text("0123\n")
    board_of(tmp_path, store).close(failed=True)
    assert found(store, tmp_path)[1].info.status == "FAILED"


@real
def test_a_store_that_cannot_be_opened_is_refused(tmp_path, store):
    with pytest.raises(ValueError, match=r"logger\.mlflow\.tracking_uri=nosuch://x: "):
        board_of(tmp_path, store, tracking_uri="nosuch://x")


@real
def test_a_server_that_does_not_answer_is_given_up_within_seconds(tmp_path):
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"logger\.mlflow\.tracking_uri=http://127\.0\.0\.1:9: "):
        board_of(tmp_path, tmp_path, tracking_uri="http://127.0.0.1:9")
    assert time.monotonic() - start < 40  # 5 s and an import on an idle machine; minutes where MLflow has its way


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"logger\.mlflow\.folder="):
        board_of(tmp_path, tmp_path / "file")


def test_without_mlflow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("elbolab.loggers.mlflow.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'elbolab\[mlflow\]'"):
        MLflowBoard("elbolab", tmp_path, tmp_path)
