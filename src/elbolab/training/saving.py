"""How checkpoints are written."""

import io
import os
from pathlib import Path
from typing import Any, final
from zipfile import is_zipfile

import torch
from lightning.fabric.plugins import CheckpointIO, TorchCheckpointIO


@final
class WholeFiles(CheckpointIO):
    """Every checkpoint is written beside its place and moved there: a kill or a full disk leaves the one before.

    Lightning's own goes by way of the system's folder for temporary files. Where that is of another file system, as on
    most clusters, its last step is a copy, which either of them cuts short.
    """

    def __init__(self) -> None:
        self.torch = TorchCheckpointIO()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Writes it.

        Raises:
            OSError: it cannot be written; nothing is left beside it.
        """
        path, buffer = Path(path), io.BytesIO()
        torch.save(checkpoint, buffer)  # torch's own errors do not say that a disk is full
        write_whole(path, buffer.getbuffer())

    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """As Lightning does.

        Raises:
            ValueError: the file is damaged: a machine that loses its power keeps the name and loses what was written.
        """
        if Path(path).is_file() and not is_zipfile(path):
            raise ValueError(f"{path} is damaged and cannot be gone on with: remove it, and the run begins anew")
        return self.torch.load_checkpoint(path, map_location, weights_only)

    def remove_checkpoint(self, path: str | Path) -> None:
        """As Lightning does."""
        self.torch.remove_checkpoint(path)


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """The whole content, or the file as it was.

    Raises:
        OSError: it cannot be written; nothing is left beside it, for that is room for the word that the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.tmp")
    try:
        beside.write_bytes(content)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.replace(beside, path)
