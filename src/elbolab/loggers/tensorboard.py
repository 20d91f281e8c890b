"""TensorBoard event files in the run directory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from elbolab.common.dotted import flatten
from elbolab.loggers.board import Board, Images, check_writable

FOLDER = "tensorboard"


@final
class TensorBoard(Board):
    """Event files in the folder ``tensorboard`` of the run directory; a resumed run goes on in the same folder.

    Files of the run are not copied into event files: they lie beside them.
    """

    label: ClassVar[str] = "TensorBoard"
    key: ClassVar[str] = "logger.tensorboard"

    def __init__(self, save_dir: str | Path) -> None:
        super().__init__(save_dir)

    @override
    def begin(self, goals: Mapping[str, str]) -> None:
        check_writable(f"{self.key}.save_dir", self.folder / FOLDER)
        from torch.utils.tensorboard import SummaryWriter  # importing it costs half a second

        self._own = SummaryWriter(str(self.folder / FOLDER))

    @override
    def _config(self, config: Mapping[str, Any]) -> None:
        """As hyperparameters. Without a list of metrics beside them, every curve and result is one."""
        from torch.utils.tensorboard.summary import hparams

        scalars = {
            key: value if isinstance(value, int | float) else str(value) for key, value in flatten(config).items()
        }
        _, start, _ = hparams(scalars, {})
        self._events().add_summary(start)

    @override
    def _curves(self, metrics: Mapping[str, float], step: int) -> None:
        for name, value in metrics.items():
            self._handle.add_scalar(name, value, step)

    @override
    def _rewind(self, step: int) -> None:
        """Says what `SummaryWriter(purge_step=step)` says: earlier files count up to this step."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        self._events().add_event(Event(step=step, file_version="brain.Event:2"))
        self._events().add_event(Event(step=step, session_log=SessionLog(status=SessionLog.START)))

    def _events(self) -> Any:
        return self._handle._get_file_writer()  # what torch itself writes these through

    @override
    def _flush(self) -> None:
        self._handle.flush()

    @override
    def _images(self, images: Images, step: int) -> None:
        for name, image in images.items():
            self._handle.add_image(name, np.asarray(image.convert("RGB")), step, dataformats="HWC")

    @override
    def _heat(self, name: str, row: NDArray, step: int) -> None:
        """A histogram over the indices."""
        indices = np.arange(len(row))
        total, squares = float(row @ indices), float(row @ indices**2)
        limits = (indices + 1.0).tolist()
        numbers = {"num": float(row.sum()), "sum": total, "sum_squares": squares}
        self._handle.add_histogram_raw(
            name, 0.0, float(len(row)), **numbers, bucket_limits=limits, bucket_counts=row.tolist(), global_step=step
        )

    @override
    def _summary(self, numbers: Mapping[str, float], step: int) -> None:
        self._curves(numbers, step)

    @override
    def _files(self, kind: str, paths: Sequence[Path]) -> None:
        """Nothing: `artifacts` is empty."""

    @override
    def _close(self, failed: bool) -> str:
        from torch.utils.tensorboard.summary import hparams

        _, _, end = hparams({}, {})
        self._events().add_summary(end)
        self._own.close()
        return f"TensorBoard: tensorboard --logdir {self.folder / FOLDER}"
