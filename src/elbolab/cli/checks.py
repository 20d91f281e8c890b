"""What can be known to be wrong before training, and would otherwise show late or never."""

import logging
import os
import shutil
import sys
import warnings
from typing import final

import numpy as np
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from lightning.pytorch.utilities.seed import isolate_rng
from omegaconf import DictConfig

from elbolab.batch import Batch, Semi, Spec, Support, ask_for_labels, refuse_labels
from elbolab.common.refusal import Refusal, choose
from elbolab.common.rng import generator
from elbolab.data.fetch import Rows
from elbolab.data.module import DataModule
from elbolab.data.standardise import describe_scales
from elbolab.densities.base import Densities
from elbolab.evaluation.evaluate import Evaluation
from elbolab.evaluation.seeded import evaluating
from elbolab.models.base import ElboModule
from elbolab.training.contract import check_report

log_warning = rank_zero_only(logging.getLogger(__name__).warning)


def check_seed(seed: int) -> int:
    """Validates ``seed`` and returns it."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed}: a seed is a whole number from 0 to {2**32 - 1}")
    return seed


def check_compiler() -> None:
    """Refuses ``compile=true`` without a compiler: torch says so at length, in the first step."""
    compiler = os.environ.get("CXX", {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++"))
    if shutil.which(compiler) is None:
        raise ValueError(
            f"compile=true needs a C++ compiler, and there is no {compiler} here: install one, name yours with "
            "CXX=..., or leave compile=false"
        )


def check_net(cfg: DictConfig, spec: Spec) -> None:
    """Refuses convolutions of vectors, of a critic's codes too: they would be dense layers, their options no-ops."""
    if "channels" in cfg.net and len(spec.x) != 3:
        raise Refusal(f"convolutions are for images, and a datum has shape {spec.x}", choose("net", "mlp", "gated_mlp"))
    if "channels" in (cfg.model.get("critic") or {}):
        raise Refusal("convolutions are for images, not codes", choose("net@model.critic", "critic", "mlp"))


def warn_of_scales(cfg: DictConfig, data: DataModule) -> None:
    """Warns of real-valued data on scales that no initial weights are made for."""
    if data.spec.support is Support.REAL and (scales := describe_scales(data.splits.train)) is not None:
        option = "set data.standardise=true" if "standardise" in cfg.data else "standardise them"
        log_warning("data: %s, which networks learn badly from; %s", scales, option)


def warn_of_density(model: ElboModule, data: DataModule) -> None:
    """Says where a model has a density of data that are zeros and ones: its bound is one on no probability."""
    if data.spec.support is not Support.BINARY:
        return
    with evaluating(model, "kind of likelihood", 0):
        (batch,) = Handful(data, 2).batches("val", "cpu")
        if "elbo" not in model.report(batch):
            return
        code = model.densities.encode(batch.x, *batch.given)
        support = model.densities.decode(code, *batch.given).support
    if support is not None and not support.is_discrete:
        log_warning(
            "likelihood: the data are zeros and ones, and this likelihood is a density on real numbers: its nats "
            "compare with no bound or NLL of a Bernoulli likelihood, and have no limit where its scale is learned"
        )


def check_labels(model: ElboModule, data: DataModule) -> None:
    """Refuses a model of few labels on data without any, another one on data with some, or more than there are."""
    if data.num_labelled is None and Batch not in model.takes:
        raise ask_for_labels()
    if data.num_labelled is not None and Semi not in model.takes:
        raise refuse_labels()
    if data.num_labelled is not None:
        data.arrays("labelled")


def check_monitors(cfg: DictConfig, model: ElboModule, data: DataModule) -> None:
    """Refuses a callback or a schedule that monitors what the model, as it is, does not report of validation data."""
    with evaluating(model, "check of monitors", 0):
        (batch,) = Handful(data, 2).batches("val", "cpu")
        report = model.report(batch)
    check_report(report, model)
    reported = [f"val/{name}" for name in report]
    parts = {"": cfg, "model.": cfg.model}  # the root's comes first, others follow it by default
    parts |= {f"callbacks.{name}.": part for name, part in cfg.callbacks.items() if isinstance(part, DictConfig)}
    for prefix, part in parts.items():
        monitor = part.get("monitor")
        if monitor is not None and not monitor.startswith("train/") and monitor not in reported:
            raise ValueError(
                f"{prefix}monitor={monitor}: this model does not report it; choose {' or '.join(reported)}"
            )


def check_measures(evaluation: Evaluation, densities: Densities, data: DataModule) -> None:
    """Tries every measure on a handful of data by the model as it is; nothing of the model or of any noise changes.

    Raises:
        MeasureError: one fails, or returns what cannot be reported.
    """
    tensors = [*densities.parameters(), *densities.buffers()]
    kept, disabled = [tensor.detach().clone() for tensor in tensors], logging.root.manager.disable
    logging.disable(logging.WARNING)  # what so few data are too few for
    try:
        with isolate_rng(include_cuda=False), warnings.catch_warnings(), evaluating(densities, "check of measures", 0):
            warnings.simplefilter("ignore")
            evaluation.reduce()(densities, Handful(data, 8))
    finally:
        logging.disable(disabled)
        for tensor, old in zip(tensors, kept, strict=True):
            tensor.detach().copy_(old)


@final
class Handful:
    """At most ``num`` data of every split, at equal distances over all of it, in one batch."""

    def __init__(self, data: DataModule, num: int) -> None:
        self.data, self.num, self.num_labelled = data, num, data.num_labelled

    def batches(self, split: str, device: torch.device | str) -> list[Batch]:
        """The batch."""
        arrays = self.data.arrays(split)
        count = min(self.num, len(arrays))
        finish = self.data.finish(split, torch.device(device), generator("handful", device=device))
        return [finish(Rows.of(arrays.rows(np.arange(count) * len(arrays) // count)))]


def goals(cfg: DictConfig) -> dict[str, str]:
    """Which way every quantity that anything monitors is better: name -> ``max`` or ``min``; the root's word counts."""
    parts = [*(part for part in cfg.callbacks.values() if isinstance(part, DictConfig)), cfg.model, cfg]
    with_both = (part for part in parts if part.get("monitor") and part.get("mode"))
    return {part.monitor: part.mode for part in with_both}
