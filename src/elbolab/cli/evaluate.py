"""`elbolab evaluate run=DIR`: numbers and pictures of a run, from its directory alone."""

import json
import time

import torch
from omegaconf import DictConfig

from elbolab.cli.build import make
from elbolab.cli.load import Run, load_run, numbers_of
from elbolab.data.module import DataModule
from elbolab.evaluation.figures.drawing import draw_all, write_figures
from elbolab.evaluation.report import table, write_report
from elbolab.training.trainer import device_type


def evaluate(cfg: DictConfig) -> None:
    """The task that Hydra calls."""
    run = load_run(cfg.run, choose_device(cfg.device))
    with numbers_of(run.cfg):
        print(measure(run, run.data(), cfg.evaluation))


def choose_device(name: str) -> torch.device:
    """The device of ``device=auto|gpu|cpu|cuda:1`` or of ``trainer.accelerator``."""
    return torch.device(name if ":" in name else device_type(name))


def measure(run: Run, data: DataModule, evaluation: DictConfig) -> str:
    """Writes evaluation.json and the figures; returns the table and the paths for the terminal."""
    start = time.monotonic()
    report = write_report(run.dir.evaluation, make(evaluation)(run.densities, data))
    batches = data.batches("test", device=run.device)
    write_figures(draw_all(run.densities, batches, run.dir.metrics, seed=evaluation.seed), run.dir.figures)
    details = _timing(run) | {"evaluation": f"{time.monotonic() - start:.1f} s"}
    paths = [run.dir.evaluation, run.dir.weights, run.dir.metrics, run.dir.figures]
    return "\n".join([table(report, details), *(f"  {path}" for path in paths)])


def _timing(run: Run) -> dict[str, str]:
    if not run.dir.timing.is_file():
        return {}
    timing = json.loads(run.dir.timing.read_text())
    speed = f", {timing['images_per_s']:,.0f} images/s" if "images_per_s" in timing else ""
    return {"training": f"{timing['seconds']:.1f} s{speed}"}
