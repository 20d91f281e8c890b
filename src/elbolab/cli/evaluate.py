"""`elbolab evaluate run=DIR`: numbers and pictures of a run, from its directory alone."""

import json
import time

import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig

from elbolab.cli.boards import conclude_again
from elbolab.config.build import build_evaluation
from elbolab.config.override import is_within, override, read_overrides
from elbolab.data.module import DataModule
from elbolab.evaluation.evaluate import MeasureError
from elbolab.evaluation.figures.drawing import draw_all, write_figures
from elbolab.evaluation.report import SPLITS, table, write_report
from elbolab.runs.load import Run, load_run, numbers_of
from elbolab.runs.same_data import note_measured
from elbolab.training.trainer import device_type


def evaluate(cfg: DictConfig) -> None:
    """The task that Hydra calls."""
    run = load_run(cfg.run, choose_device(cfg.device))
    given = read_overrides()
    override(run.cfg, cfg, [o for o in given if is_within(o.key_or_group, ["evaluation"])])
    if any(is_within(o.key_or_group, ["corruption"]) for o in given):  # the model keeps its own
        run.cfg.evaluation.corruption = cfg.corruption
    with numbers_of(run.cfg):
        data = run.data(cfg.data.changed)
        summary, failure = measure(run, data, run.cfg)
        note_measured(run.dir, data, run.cfg.evaluation.get("splits", SPLITS))
    print(summary, *(conclude_again(run.dir) if cfg.dashboards else []), sep="\n")
    if failure is not None:
        raise failure


def choose_device(name: str) -> torch.device:
    """The device of ``device=auto|gpu|cpu|cuda:1`` or of ``trainer.accelerator``, which must be here."""
    kind, colon, index = name.partition(":")
    kind, present = device_type(kind), torch.cuda.device_count()
    if (kind == "cpu" and colon) or (colon and not index.isdigit()) or (kind == "cuda" and int(index or 0) >= present):
        raise ValueError(f"device={name}: there is none here; choose auto or cpu" + (", or gpu" if present else ""))
    return torch.device(f"{kind}{colon}{index}")


def measure(run: Run, data: DataModule, cfg: DictConfig) -> tuple[str, MeasureError | None]:
    """Writes evaluation.json and the figures; returns the table and the paths for the terminal, and what has failed.

    Every rank of a distributed run helps to measure; rank 0 writes. What a measure that fails has cost is its own
    quantities.
    """
    start, failure = time.monotonic(), None
    try:
        measured = build_evaluation(cfg, run.spec)(run.densities, data)
    except MeasureError as error:
        measured, failure = error.report, error
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        return "", None
    report = write_report(run.dir.evaluation, measured)
    batches = data.batches("test", device=run.device)
    write_figures(draw_all(run.densities, batches, run.dir.metrics, seed=cfg.evaluation.seed), run.dir.figures)
    details = _describe_speed(run) | {"evaluation": f"{time.monotonic() - start:.1f} s"}
    paths = [run.dir.evaluation, run.dir.weights, run.dir.metrics, run.dir.figures]
    return "\n".join([table(report, details), *(f"  {path}" for path in paths if path.exists())]), failure


def _describe_speed(run: Run) -> dict[str, str]:
    if not run.dir.timing.is_file():
        return {}
    timing = json.loads(run.dir.timing.read_text(encoding="utf-8"))
    speed = f", {timing['images_per_s']:,.0f} images/s" if "images_per_s" in timing else ""
    return {"training": f"{timing['seconds']:.1f} s{speed}"}
