"""MLflow, by default in one SQLite file for all runs, with pictures and files in a folder beside it.

Lightning's own `MLFlowLogger` cannot lie below: it drops the handle of a write by a thread, so that no checkpoint could
wait for what came before it; it writes steps twice that a resumed run takes again; a configuration that has changed, or
a server that does not answer, ends the run; and it sets the store of the whole process, jobs after this one included.
"""

import logging
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from filelock import FileLock
from numpy.typing import NDArray
from typing_extensions import override

from elbolab.common.dotted import flatten
from elbolab.loggers.board import Board, Images, check_writable

if TYPE_CHECKING:  # importing it costs seconds
    from mlflow import MlflowClient

ID = "mlflow_id.txt"
FILES = "mlflow-artifacts"
"""Folder of pictures and files, beside the store."""

LONGEST = 6000
"""Characters of a parameter that MLflow's stores take."""

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Left to itself, a client waits for minutes at every write to a server that does not answer."""


@final
class MLflowBoard(Board):
    """A run of an MLflow experiment. The run's id is kept in the run directory: a resumed run goes on in it.

    Args:
        experiment: MLflow experiment.
        save_dir: the run directory.
        folder: where the store is: ``mlflow.db`` and ``mlflow-artifacts``.
        tracking_uri: another store, or a server; None: ``sqlite:///FOLDER/mlflow.db``.
        group: joins the runs of one sweep; a tag.
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
        self._written: set[tuple[str, int]] = set()
        self._id = ""

    @override
    def begin(self, goals: Mapping[str, str]) -> None:
        check_writable(f"{self.key}.folder", self.store)
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)  # before it is imported, which sets levels of its own
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        for name in ("alembic", "mlflow"):  # which tell of each table that they make
            logging.getLogger(name).setLevel(logging.WARNING)
        uri = self.uri or f"sqlite:///{self.store / 'mlflow.db'}"
        with FileLock(self.store / ".mlflow.lock"):  # a new database is made by one process
            try:
                client = MlflowClient(uri)
                self._id = self._open_run(client)
                client.update_run(self._id, "RUNNING")
            except MlflowException as error:
                raise ValueError(f"{self.key}.tracking_uri={uri}: {str(error).splitlines()[0]}") from None
        self._own = client

    def _open_run(self, client: "MlflowClient") -> str:
        """The id of the run whose id is kept, where the store has it, else of a new one."""
        from mlflow.exceptions import MlflowException

        kept = self.folder / ID
        if kept.is_file():
            identity = kept.read_text(encoding="utf-8").strip()
            with suppress(MlflowException):  # the run directory has moved away from its store
                if client.get_run(identity).info.lifecycle_stage == "active":
                    return identity
        found = client.get_experiment_by_name(self.project)
        where = None if self.uri else (self.store / FILES).as_uri()
        experiment = found.experiment_id if found else client.create_experiment(self.project, artifact_location=where)
        identity = client.create_run(experiment, tags=self.tags).info.run_id
        kept.write_text(identity + "\n", encoding="utf-8")
        return identity

    @override
    def _config(self, config: Mapping[str, Any]) -> None:
        """The whole as a file, and as parameters, which keep their first value: MLflow refuses a second one."""
        from mlflow.entities import Param

        self._handle.log_dict(self._id, dict(config), "config.yaml")
        there = self._handle.get_run(self._id).data.params
        params = [Param(key, str(value)[:LONGEST]) for key, value in flatten(config).items() if key not in there]
        self._handle.log_batch(self._id, params=params)

    @override
    def _curves(self, metrics: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        rows = [Metric(name, value, now, step) for name, value in metrics.items() if (name, step) not in self._written]
        if rows:
            self._pending.append(self._handle.log_batch(self._id, metrics=rows, synchronous=False))  # by a thread

    @override
    def _rewind(self, step: int) -> None:
        """MLflow forgets nothing: what it has, and a run that was killed comes to again, is not written twice."""
        for name in self._handle.get_run(self._id).data.metrics:
            points = self._handle.get_metric_history(self._id, name)
            self._written |= {(name, point.step) for point in points if point.step >= step}

    @override
    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        for operation in pending:
            operation.wait()

    @override
    def _images(self, images: Images, step: int) -> None:
        for name, image in images.items():
            self._handle.log_image(self._id, image, key=name, step=step, synchronous=True)

    @override
    def _heat(self, name: str, row: NDArray, step: int) -> None:
        """Nothing: MLflow draws no heat map; the picture of the whole comes at the end."""

    @override
    def _summary(self, numbers: Mapping[str, float], step: int) -> None:
        self._written -= {(name, step) for name in numbers}  # measured anew
        self._curves(numbers, step)

    @override
    def _files(self, kind: str, paths: Sequence[Path]) -> None:
        for path in paths:
            self._handle.log_artifact(self._id, str(path), kind)

    @override
    def _close(self, failed: bool) -> str:
        self._flush()
        self._own.set_terminated(self._id, "FAILED" if failed else "FINISHED")
        return f"MLflow: mlflow ui --backend-store-uri {shlex.quote(self._own.tracking_uri)}"
