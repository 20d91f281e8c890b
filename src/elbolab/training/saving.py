"""How checkpoints are written."""

import io
from pathlib import Path
from typing import Any, final
from zipfile import is_zipfile

import torch
from lightning.fabric.plugins import CheckpointIO, TorchCheckpointIO
from typing_extensions import override

from elbolab.common.files import replacing


@final
class WholeFiles(CheckpointIO):
    """Every checkpoint is written beside its place and moved there: a kill or a full disk leaves the one before.

    Lightning's own goes by way of the system's folder for temporary files. Where that is of another file system, as on
    most clusters, its last step is a copy, which either of them cuts short.
    """

    def __init__(self) -> None:
        self.torch = TorchCheckpointIO()

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)  # torch's own errors do not say that a disk is full
        with replacing(Path(path)) as beside:
            beside.write_bytes(buffer.getbuffer())

    @override
    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """As Lightning does.

        Raises:
            ValueError: the file is damaged: a machine that loses its power keeps the name and loses what was written.
        """
        if Path(path).is_file() and not is_zipfile(path):
            raise ValueError(f"{path} is damaged and cannot be gone on with: remove it, and the run begins anew")
        return self.torch.load_checkpoint(path, map_location, weights_only)

    @override
    def remove_checkpoint(self, path: str | Path) -> None:
        self.torch.remove_checkpoint(path)
