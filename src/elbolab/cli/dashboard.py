"""`elbolab dashboard`: a W&B workspace for a project, written as code."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from elbolab.common.files import write_atomically
from elbolab.common.kind import EVERY_BOUND
from elbolab.loggers.board import KL
from elbolab.loggers.wandb import X_AXIS
from elbolab.loggers.wandb_server import describe_failure, reach, without_stdin

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

PICTURES = ("samples", "reconstructions", "traversals", "latent_space", "kl_over_training", "manifold")
VARIANT = "model._target_"
USUAL = (VARIANT, "model.beta", "densities.latent_dim", "optimizer.lr", "seed")
"""Columns of the parallel coordinates where no parameters are named: those that most sweeps turn."""


def dashboard(cfg: DictConfig) -> None:
    """The task that Hydra calls.

    Raises:
        ValueError: wandb-workspaces is not installed, nobody is logged in, or W&B refuses the workspace.
    """
    if find_spec("wandb_workspaces") is None:
        raise ValueError("elbolab dashboard needs wandb-workspaces: pip install 'elbolab[dashboard]'")
    parameters = list(cfg.parameters) or list(USUAL)
    built = workspace(cfg.project, cfg.entity, parameters, cfg.metric, cfg.group)
    if cfg.out is None:
        print(f"W&B: {push(built)}")
    else:
        write_atomically(Path(cfg.out), as_json(built))
        print(f"{cfg.out}: the workspace as JSON; nothing was sent")


def workspace(
    project: str, entity: str | None, parameters: list[str], metric: str, group: str | None = None
) -> "Workspace":
    """The workspace of a project.

    Args:
        project: W&B project.
        entity: user or team, None for the default one.
        parameters: keys of the configuration, columns of the parallel coordinates.
        metric: what is compared, ``val/elbo``.
        group: only the runs of this sweep; None: all.
    """
    from wandb_workspaces import workspaces as ws

    panels = {
        "Rate and distortion": _rate_distortion_panels(),
        "Curves by variant": _curve_panels(),
        "Sweep": _sweep_panels(parameters, metric),
        "Pictures": _picture_panels(),
    }
    filters = f'Metric("Group") == {json.dumps(group)}' if group else ""
    return ws.Workspace(
        entity=entity or "",
        project=project,
        name=f"elbolab {group}" if group else "elbolab",
        sections=[ws.Section(name=name, panels=found, is_open=True) for name, found in panels.items()],
        settings=ws.WorkspaceSettings(x_axis=X_AXIS, sort_panels_alphabetically=False),
        runset_settings=ws.RunsetSettings(filters=filters),
    )


def _rate_distortion_panels() -> list[Any]:
    from wandb_workspaces.reports import v2 as wr

    rate, distortion, nll = (wr.SummaryMetric(f"test.{name}") for name in ("rate", "distortion", "nll"))
    plane = wr.ScatterPlot(title="rate-distortion plane, test (nats)", x=rate, y=distortion)
    return [plane, wr.BarPlot(title="NLL, test (nats)", metrics=[nll], groupby=wr.Config(VARIANT))]


def _curve_panels() -> list[Any]:
    """A panel a quantity: a line a variant, the mean over its runs, with the standard error."""
    from wandb_workspaces.reports import v2 as wr

    common: dict[str, Any] = {"x": X_AXIS, "title_x": "optimiser step", "groupby": wr.Config(VARIANT)}
    common |= {"groupby_aggfunc": "mean", "groupby_rangefunc": "stderr", "aggregate": True}
    names = [f"val/{name}" for name in EVERY_BOUND]
    names += [f"train/{name}" for name, kind in EVERY_BOUND.items() if kind.better]
    return [wr.LinePlot(title=name, y=[name], **common) for name in names]


def _sweep_panels(parameters: list[str], metric: str) -> list[Any]:
    from wandb_workspaces.reports import v2 as wr

    best = f"best.{metric.rpartition('/')[2]}"
    columns = [wr.ParallelCoordinatesPlotColumn(wr.Config(name)) for name in parameters]
    columns.append(wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric(best), display_name=f"best {metric}"))
    importance = wr.ParameterImportancePlot(with_respect_to=best)
    return [wr.ParallelCoordinatesPlot(columns=columns, title="parameters"), importance]


def _picture_panels() -> list[Any]:
    from wandb_workspaces.reports import v2 as wr

    panels = [wr.MediaBrowser(title=name.replace("_", " "), media_keys=[f"figures/{name}"]) for name in PICTURES]
    return [*panels, wr.LinePlot(title="KL per dimension (nats)", x=X_AXIS, y=[KL])]


def as_json(built: "Workspace") -> str:
    """The workspace as W&B keeps it; `_to_model` is what `save` itself sends."""
    return built._to_model().model_dump_json(indent=2, by_alias=True, exclude_none=True) + "\n"


def push(built: "Workspace") -> str:
    """Sends it to W&B, and returns its address.

    Raises:
        ValueError: nobody is logged in, the server does not answer, or it refuses.
    """
    import wandb

    try:
        reach(wandb.setup().settings.base_url)
        with without_stdin():
            built.entity = built.entity or wandb.Api().default_entity or ""
            return built.save().url
    except (wandb.errors.Error, OSError) as error:
        reason = describe_failure(error)
        raise ValueError(f"W&B did not get the workspace: {reason}. out=FILE writes it as JSON instead") from None
