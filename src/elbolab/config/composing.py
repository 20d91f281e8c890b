"""Hydra's global state while a command runs, put aside or exchanged for a while."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from elbolab.config.paths import config_dir


def folders() -> list[Path]:
    """Folders with configs of the command that runs, elbolab's own first: in any process, whatever its arguments."""
    sources = HydraConfig.get().runtime.config_sources
    others = [Path(source.path) for source in sources if source.schema == "file" and source.path]
    return list(dict.fromkeys([config_dir(), *others]))


def check_folder(hydra: DictConfig | HydraConf) -> None:
    """Keeps a command in the folder in which it was typed.

    Args:
        hydra: Hydra's node of a composed config.

    Raises:
        ValueError: ``hydra.job.chdir`` has taken it into the directory of its run, or would.
    """
    if hydra.job.chdir:
        os.chdir(hydra.runtime.cwd)
        raise ValueError(
            "hydra.job.chdir=true: relative paths (data.path, resume) would be looked for in the directory of the run; "
            "leave it out: all that a run writes is in hydra.run.dir without it"
        )


@contextmanager
def without_hydra() -> Iterator[None]:
    """As if this command had not begun: an explanation composes configurations of its own."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = before  # of another instance, if one was put in its place


@contextmanager
def in_the_place_of(composed: DictConfig) -> Iterator[None]:
    """``${hydra:...}`` means the choices of ``composed`` for a while."""
    hydra = HydraConfig.instance()
    before = hydra.cfg
    hydra.set_config(composed)
    try:
        yield
    finally:
        hydra.cfg = before
