"""What can be known to be wrong before training, and would otherwise show late or never."""

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig

from elbolab.batch import Batch, Semi, Spec, Support, ask_for_labels, refuse_labels
from elbolab.common.rng import generator
from elbolab.data.fetch import Rows
from elbolab.data.module import DataModule
from elbolab.data.standardise import describe_scales
from elbolab.evaluation.seeded import evaluating
from elbolab.models.base import ElboModule

log_warning = rank_zero_only(logging.getLogger(__name__).warning)


def check_seed(seed: int) -> int:
    """Validates ``seed`` and returns it.

    Raises:
        ValueError: it is not a whole number below 2^32.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed}: a seed is a whole number from 0 to {2**32 - 1}")
    return seed


def check_compiler() -> None:
    """Raises ValueError where `torch.compile` would find no compiler: it says so at length, in the first step."""
    compiler = os.environ.get("CXX", {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++"))
    if shutil.which(compiler) is None:
        raise ValueError(
            f"compile=true needs a C++ compiler, and there is no {compiler} here: install one, name yours with "
            "CXX=..., or leave compile=false"
        )


def check_net(cfg: DictConfig, spec: Spec) -> None:
    """Convolutions of vectors would be dense layers alone, and their options without effect.

    Raises:
        ValueError: the data are vectors, and the net has channels, or so has the net of a critic, which sees codes.
    """
    if "channels" in cfg.net and len(spec.x) != 3:
        raise ValueError(f"net.channels: convolutions are for images, and a datum has shape {spec.x}; choose net=mlp")
    if "channels" in (cfg.model.get("critic") or {}):
        raise ValueError("model.critic.channels: convolutions are for images, not codes; choose net@model.critic=mlp")


def warn_of_scales(cfg: DictConfig, data: DataModule) -> None:
    """Says where real-valued data are on scales that no initial weights are made for."""
    if data.spec.support is Support.REAL and (scales := describe_scales(data.splits.train)) is not None:
        option = "set data.standardise=true" if "standardise" in cfg.data else "standardise them"
        log_warning("data: %s, which networks learn badly from; %s", scales, option)


def check_labels(model: ElboModule, data: DataModule) -> None:
    """Before stages are trained for a model that could not be trained on its data then.

    Raises:
        ValueError: a model of few labels on data without any, another one on data with some, or more than there are.
    """
    if data.num_labelled is None and Batch not in model.takes:
        raise ask_for_labels()
    if data.num_labelled is not None and Semi not in model.takes:
        raise refuse_labels()
    if data.num_labelled is not None:
        data.arrays("labelled")


def check_monitors(cfg: DictConfig, model: ElboModule, data: DataModule) -> None:
    """Lets the model report on up to two data of the validation set, as it is, and looks at the names.

    Raises:
        ValueError: a callback or a schedule monitors what the model does not report; names what it does.
    """
    with evaluating(model, "check of monitors", 0):
        reported = [f"val/{name}" for name in model.report(_two(data))]
    for key, monitor in _monitors(cfg):
        if monitor is not None and not monitor.startswith("train/") and monitor not in reported:
            raise ValueError(f"{key}={monitor}: this model does not report it; choose {' or '.join(reported)}")


def _monitors(cfg: DictConfig) -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; the root's comes first, others follow it by default."""
    parts = {"": cfg, "model.": cfg.model} | {f"callbacks.{name}.": part for name, part in cfg.callbacks.items()}
    for prefix, part in parts.items():
        if isinstance(part, DictConfig) and "monitor" in part:
            yield f"{prefix}monitor", part.monitor


def _two(data: DataModule) -> Batch:
    cpu = torch.device("cpu")
    val = data.arrays("val")
    rows = np.arange(min(2, len(val)))
    return data.finish("val", cpu, generator("check of monitors"))(Rows.of(val.rows(rows)))


def goals(cfg: DictConfig) -> dict[str, str]:
    """Which way every quantity that anything monitors is better: name -> ``max`` or ``min``; the root's word counts."""
    parts = [*(part for part in cfg.callbacks.values() if isinstance(part, DictConfig)), cfg.model, cfg]
    with_both = (part for part in parts if part.get("monitor") and part.get("mode"))
    return {part.monitor: part.mode for part in with_both}
