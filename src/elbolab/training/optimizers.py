"""Optimisers as a step on the device needs them: rates, counts and flags that are tensors where they can be."""

import os
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def prepare(optimizer: Optimizer, scheduled: bool) -> None:
    """Readies a fresh or restored optimiser for steps that do not wait for the device.

    On a CUDA device its state is kept there (``capturable``); a scheduled rate becomes a tensor where the optimiser
    takes one. Loading a state replaces its tensors and keeps their device, so this comes after it.
    """
    if torch.cuda.device_count() == 0:
        # Lightning has torch ask for GPUs by opening their management library, and torch asks at every step: 42 us each
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
    optimizer._warned_capturable_if_run_uncaptured = True  # type: ignore[attr-defined]  # steps before a capture are meant
    for group in optimizer.param_groups:
        device = group["params"][0].device
        if "capturable" in group:
            group["capturable"] = device.type == "cuda"
        group["base_lr"] = float(group.get("base_lr", group["lr"]))
        group.setdefault("begun", False)
        group["skipped"] = torch.as_tensor(group.get("skipped", 0), device=device)
        if scheduled and takes_tensors(group):
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.get_default_dtype(), device=device)
    for parameter, state in optimizer.state.items():
        if isinstance(state.get("step"), Tensor) and takes_tensors(optimizer.param_groups[0]):
            state["step"] = state["step"].to(parameter.device)


def takes_tensors(group: dict[str, Any]) -> bool:
    """Whether the optimiser of this group reads its rate and counts its steps on the device."""
    return bool(group.get("fused") or group.get("capturable"))


def set_learning_rate(optimizer: Optimizer, factor: Tensor) -> None:
    """Base rate times factor: in place where the optimiser takes a tensor, else as a number, which waits for it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].copy_(group["base_lr"] * factor)
        else:
            group["lr"] = float(group["base_lr"] * factor)
