"""`elbolab sample run=DIR`: draws from a run, as pictures and as arrays."""

from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from elbolab.cli.checks import check_seed
from elbolab.cli.evaluate import choose_device
from elbolab.data.module import DataModule
from elbolab.evaluation.figures.drawing import draw_all, sample_arrays, write_figures
from elbolab.evaluation.outputs import output_of
from elbolab.runs.load import Run, load_run, numbers_of


def sample(cfg: DictConfig) -> None:
    """The task that Hydra calls."""
    if cfg.num < 1:
        raise ValueError(f"num={cfg.num}: draw at least one sample")
    if cfg.what is not None:
        output_of(cfg.what)
    run = load_run(cfg.run, choose_device(cfg.device))
    with numbers_of(run.cfg):
        _draw(run, run.data(cfg.data.changed), cfg)


def _draw(run: Run, data: DataModule, cfg: DictConfig) -> None:
    batches, folder = data.batches("test", device=run.device), Path(cfg.out)
    wish: Any = {"seed": check_seed(cfg.seed), "label": cfg.label, "what": cfg.what}
    arrays = sample_arrays(run.densities, batches, num=cfg.num, **wish)
    folder.mkdir(parents=True, exist_ok=True)
    written = write_figures(draw_all(run.densities, batches, **wish), folder)
    np.savez(folder / "samples.npz", **arrays)  # type: ignore[arg-type]
    shapes = ", ".join(f"{name} {values.shape}" for name, values in arrays.items())
    print(f"{folder / 'samples.npz'}  {shapes}", *written, sep="\n")
