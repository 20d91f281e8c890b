"""What Hydra calls when a multirun ends. It is imported with every command, so it imports nothing heavy itself."""

from pathlib import Path
from typing import Any, final

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


@final
class Compare(Callback):
    """Compares the jobs of a multirun when the last has ended."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Writes the comparison into the sweep directory; a sweep of one finished run has none."""
        from elbolab.cli.compare import compare, evaluated

        folder = Path(config.hydra.sweep.dir)
        runs = evaluated([folder])
        if len(runs) > 1:
            print(compare(runs, folder))
