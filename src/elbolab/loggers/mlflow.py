"""MLflow, by default in one SQLite file for all runs, with pictures and files in a folder beside it."""

import logging
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from filelock import FileLock
from numpy.typing import NDArray

from elbolab.loggers.board import Board, Images, check_writable, flat

if TYPE_CHECKING:  # importing it costs seconds
    from mlflow import MlflowClient

ID = "mlflow_id.txt"
FILES = "mlflow-artifacts"
"""Folder of pictures and files, beside the store."""

LONGEST = 6000
"""Characters of a parameter that MLflow's stores take."""

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Of a client whose server does not answer, tries and seconds: left to itself it waits for minutes at every write."""

MOST_PARAMS = 100
"""Parameters that one call may have."""


@final
class MLflowBoard(Board):
    """A run of an MLflow experiment. The run's id is kept in the run directory: a resumed run goes on in it.

    Args:
        experiment: MLflow experiment.
        save_dir: the run directory.
        folder: where the store is: ``mlflow.db`` and ``mlflow-artifacts``.
        tracking_uri: another store, or a server; None: ``sqlite:///FOLDER/mlflow.db``.
        group: joins the runs of one sweep; a tag.
        name: name of the run.
        tags: tags of the run.
        artifacts: files of the run to keep at its end, of `ARTIFACTS`.

    Raises:
        ValueError: an unknown artifact, or MLflow is not installed.
    """

    label: ClassVar[str] = "MLflow"
    key: ClassVar[str] = "logger.mlflow"

    def __init__(
        self,
        experiment: str,
        save_dir: str | Path,
        folder: Path,
        *,
        tracking_uri: str | None = None,
        group: str | None = None,
        name: str | None = None,
        tags: Sequence[str] = (),
        artifacts: Sequence[str] = (),
    ) -> None:
        super().__init__(save_dir, artifacts)
        if find_spec("mlflow") is None:
            raise ValueError("logger=mlflow needs MLflow: pip install 'elbolab[mlflow]'")
        self.project, self.store, self.uri = experiment, Path(folder).absolute(), tracking_uri
        named = {"group": group, "tags": ", ".join(tags), "mlflow.runName": name}
        self.tags = {key: value for key, value in named.items() if value}
        self._pending: list[Any] = []
        self._there: set[tuple[str, int]] = set()
        self._id = ""

    def begin(self, goals: Mapping[str, str]) -> None:
        """Opens the store, makes the experiment where it is new, and the run; `experiment` is the `MlflowClient`.

        Raises:
            ValueError: a folder that cannot be written, or a store that cannot be opened.
        """
        check_writable(f"{self.key}.folder", self.store)
        with FileLock(self.store / ".mlflow.lock"):  # a new database is made by one process
            self._own = self._opened()
        self._own.update_run(self._id, "RUNNING")

    def _opened(self) -> "MlflowClient":
        _quiet()
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        uri = self.uri or f"sqlite:///{self.store / 'mlflow.db'}"
        try:
            client = MlflowClient(uri)
            self._id = self._run_in(client)
        except MlflowException as error:
            raise ValueError(f"{self.key}.tracking_uri={uri}: {str(error).splitlines()[0]}") from None
        return client

    def _run_in(self, client: "MlflowClient") -> str:
        """The run whose id is kept, where the store has it, else a new one."""
        kept = self.folder / ID
        found = client.get_experiment_by_name(self.project)
        if found is None:
            where = None if self.uri else (self.store / FILES).as_uri()
            experiment = client.create_experiment(self.project, artifact_location=where)
        else:
            experiment = found.experiment_id
        if kept.is_file() and _has(client, kept.read_text(encoding="utf-8").strip()):
            return kept.read_text(encoding="utf-8").strip()
        identity = client.create_run(experiment, tags=self.tags).info.run_id
        kept.write_text(identity + "\n", encoding="utf-8")
        return identity

    def _config(self, config: Mapping[str, Any]) -> None:
        """The whole as a file, and as parameters, which keep their first value: MLflow refuses a second one."""
        from mlflow.entities import Param

        self._begun.log_dict(self._id, dict(config), "config.yaml")
        there = self._begun.get_run(self._id).data.params
        params = [Param(key, str(value)[:LONGEST]) for key, value in flat(config) if key not in there]
        for first in range(0, len(params), MOST_PARAMS):
            self._begun.log_batch(self._id, params=params[first : first + MOST_PARAMS])

    def _curves(self, metrics: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        rows = [Metric(name, value, now, step) for name, value in metrics.items() if (name, step) not in self._there]
        if rows:
            written = self._begun.log_batch(self._id, metrics=rows, synchronous=False)  # by a thread: training goes on
            self._pending.append(written)

    def _rewind(self, step: int) -> None:
        """MLflow forgets nothing: what it has, and a run that was killed comes to again, is not written twice."""
        for name in self._begun.get_run(self._id).data.metrics:
            points = self._begun.get_metric_history(self._id, name)
            self._there |= {(name, point.step) for point in points if point.step >= step}

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        for written in pending:
            written.wait()

    def _images(self, images: Images, step: int) -> None:
        for name, image in images.items():
            self._begun.log_image(self._id, image, key=name, step=step, synchronous=True)

    def _heat(self, name: str, row: NDArray, step: int) -> None:
        """Nothing: MLflow draws no heat map; the picture of the whole comes at the end."""

    def _summary(self, numbers: Mapping[str, float], step: int) -> None:
        self._there -= {(name, step) for name in numbers}  # measured anew
        self._curves(numbers, step)

    def _files(self, kind: str, paths: Sequence[Path]) -> None:
        for path in paths:
            self._begun.log_artifact(self._id, str(path), kind)

    def _close(self, failed: bool) -> str:
        if self._own is None:
            return f"{self.label}: the run did not begin"
        self._flush()
        self._own.set_terminated(self._id, "FAILED" if failed else "FINISHED")
        uri, self._own = self._own.tracking_uri, None
        return f"MLflow: mlflow ui --backend-store-uri {shlex.quote(uri)}"


def _quiet() -> None:
    """MLflow sends no counts of what is used, tells nobody of each table that it makes, and waits for seconds."""
    for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", **PATIENCE}.items():
        os.environ.setdefault(name, value)  # before it is imported, which sets levels of its own
    import mlflow  # noqa: F401

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _has(client: "MlflowClient", identity: str) -> bool:
    """Whether the store has the run: a run directory may have moved away from it."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(identity).info.lifecycle_stage == "active"
    except MlflowException:
        return False
