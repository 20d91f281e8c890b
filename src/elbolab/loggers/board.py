"""A dashboard: what takes curves, and beside them pictures, results and files, in one way whatever it is."""

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, Concatenate, NamedTuple, ParamSpec, final

from lightning.pytorch.loggers import Logger
from lightning.pytorch.loggers.logger import DummyExperiment
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from numpy.typing import NDArray
from PIL import Image
from typing_extensions import override

log = logging.getLogger(__name__)

ARTIFACTS = ("model", "figures", "evaluation")
"""Files of a run that a dashboard can keep."""

KL = "val/kl_per_dim"
"""The name of the heat map of `KlMap`."""

Images = Mapping[str, Image.Image]
P = ParamSpec("P")


class Results(NamedTuple):
    """What a finished run has.

    Attributes:
        step: index of the last optimiser step.
        numbers: ``test/nll``, its standard error ``test/nll_stderr``, and ``best/elbo`` of validation.
        figures: the pictures of the run directory.
        files: for each of `ARTIFACTS`, the files of the run directory.
    """

    step: int
    numbers: Mapping[str, float]
    figures: Sequence[Path]
    files: Mapping[str, Sequence[Path]]


class FolderLogger(Logger, ABC):
    """A logger of one run, which writes into the run directory itself.

    Args:
        save_dir: the run directory.
    """

    def __init__(self, save_dir: str | Path) -> None:
        super().__init__()
        self.folder = Path(save_dir)

    @final
    @property
    @override
    def save_dir(self) -> str:
        return str(self.folder)

    @final
    @property
    @override
    def name(self) -> str:
        return ""  # nothing of Lightning's is put beside the curves

    @final
    @property
    @override
    def version(self) -> str:
        return ""


def harmless(method: Callable[Concatenate["Board", P], None]) -> Callable[Concatenate["Board", P], None]:
    """Rank zero alone writes, and an error while it does costs what was to be written, never the run."""

    @rank_zero_only
    @wraps(method)
    def write(board: "Board", *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(board, *args, **kwargs)
        except Exception as error:  # of a service, a database or a network: nothing here is worth a training
            board.record_failure(error)

    return write


class Board(FolderLogger, ABC):
    """A dashboard that a run writes to.

    Lightning hands it curves and the configuration, as any logger; `begin`, `show`, `heat`, `conclude` and `close` are
    called by `elbolab.cli` and by callbacks. An error after `begin` is logged once and never ends the run.

    Args:
        save_dir: the run directory.
        artifacts: which files to keep, of `ARTIFACTS`.

    Raises:
        ValueError: there are no such files.
    """

    label: ClassVar[str]
    """Its name in messages."""

    key: ClassVar[str]
    """Its node of the configuration, ``logger.wandb``."""

    def __init__(self, save_dir: str | Path, artifacts: Sequence[str] = ()) -> None:
        super().__init__(save_dir)
        for kind in artifacts:
            if kind not in ARTIFACTS:
                raise ValueError(f"{self.key}.artifacts=[{kind}]: choose any of {', '.join(ARTIFACTS)}")
        self.artifacts = list(artifacts)
        self.lost: list[str] = []
        self._own: Any = None

    @final
    @override
    @harmless
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        assert step is not None
        self._curves({name: float(value) for name, value in metrics.items()}, step)

    @final
    @override
    @harmless
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self._config(params)

    @final
    @property
    def experiment(self) -> Any:
        """The dashboard's own object, for what is not common to all.

        Lightning asks for it on every rank. Those that write nothing have one that takes every call and does nothing,
        and so has a run that could not begin.
        """
        return DummyExperiment() if self._own is None else self._own

    @abstractmethod
    def begin(self, goals: Mapping[str, str]) -> None:
        """Opens the run, or goes on with the one whose id is in the run directory.

        Args:
            goals: quantity -> ``max`` or ``min``.

        Raises:
            ValueError: what a user can fix: a missing package, a folder that cannot be written.
        """

    @final
    @harmless
    def rewind(self, step: int) -> None:
        """A resumed run is at ``step``: what an earlier one wrote at or beyond it is written again."""
        self._rewind(step)

    @final
    @harmless
    def flush(self) -> None:
        """A checkpoint is saved now: what was written before survives a kill."""
        self._flush()

    @final
    @harmless
    def show(self, images: Images, step: int) -> None:
        """Pictures by name."""
        self._images(images, step)

    @final
    @harmless
    def heat(self, name: str, row: NDArray, step: int) -> None:
        """One column of a heat map over training: non-negative values (D,) at a step."""
        self._heat(name, row, step)

    @final
    @harmless
    def conclude(self, results: Results) -> None:
        """What the finished run has: pictures, numbers, and the files that were asked for."""
        self._images({f"figures/{path.stem}": open_image(path) for path in results.figures}, results.step)
        self._summary(results.numbers, results.step)
        for kind in self.artifacts:
            self._files(kind, results.files[kind])

    @final
    def close(self, *, failed: bool) -> list[str]:
        """Ends the run, so that the next job begins its own; says where it can be looked at. Empty on other ranks."""
        if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
            return []
        lines = [f"{self.label}: the run did not begin"] if self._own is None else []
        try:
            if self._own is not None:
                harmless(lambda board: lines.append(board._close(failed)))(self)
        finally:
            self._own = None
        if self.lost:
            lines.append(f"{self.label}: {len(self.lost)} writes were lost, the first because {self.lost[0]}")
        return lines

    @final
    def record_failure(self, error: Exception) -> None:
        """Logs the first error; later ones are only counted."""
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if not self.lost:
            log.warning("%s: the run goes on, but something was not recorded: %s", self.label, reason)
        self.lost.append(reason)

    @final
    @property
    def _handle(self) -> Any:
        """The dashboard's own object; what is written to a run that did not begin is lost, and counted."""
        assert self._own is not None, "the run has not begun"
        return self._own

    @abstractmethod
    def _config(self, config: Mapping[str, Any]) -> None:
        """The resolved configuration, in plain types."""

    @abstractmethod
    def _curves(self, metrics: Mapping[str, float], step: int) -> None:
        """``step`` is the index of the last optimiser step."""

    @abstractmethod
    def _rewind(self, step: int) -> None: ...

    @abstractmethod
    def _flush(self) -> None: ...

    @abstractmethod
    def _images(self, images: Images, step: int) -> None: ...

    @abstractmethod
    def _heat(self, name: str, row: NDArray, step: int) -> None: ...

    @abstractmethod
    def _summary(self, numbers: Mapping[str, float], step: int) -> None: ...

    @abstractmethod
    def _files(self, kind: str, paths: Sequence[Path]) -> None: ...

    @abstractmethod
    def _close(self, failed: bool) -> str: ...


def boards(loggers: Iterable[Logger]) -> list[Board]:
    """The dashboards among loggers."""
    return [logger for logger in loggers if isinstance(logger, Board)]


def open_image(path: Path) -> Image.Image:
    """The picture in a file, in three colours."""
    with Image.open(path) as image:
        return image.convert("RGB")


def check_writable(key: str, folder: Path) -> None:
    """Creates ``folder``.

    Raises:
        ValueError: it cannot be created or written to; names the key.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{key}={folder}: {error.strerror}. Name a folder that you may write") from None
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{key}={folder}: you may not write there. Name another folder")
