"""What a measurement was made on, in one line."""

import os
import platform
from datetime import datetime
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")


def describe(device: torch.device) -> str:
    """Device, torch, threads and date."""
    threads = f"{torch.get_num_threads()} thread(s) on {os.cpu_count()} cores"
    return ", ".join([name_of(device), f"torch {torch.__version__}", threads, f"{datetime.now():%Y-%m-%d %H:%M}"])


def name_of(device: torch.device) -> str:
    """The model of the GPU or of the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
