"""Composing configurations, and Hydra's global state: put aside or exchanged for a while."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime, setup_globals
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from elbolab.config.paths import COMPOSES, config_dir


def compose_config(command: str, words: Sequence[str], dirs: Sequence[Path]) -> DictConfig:
    """The configuration of a command, not resolved, with Hydra's own node; Hydra itself is left as it was."""
    with isolate_hydra():
        return _compose(command, words, dirs, RunMode.RUN)[1]


def compose_sweep(command: str, words: Sequence[str], dirs: Sequence[Path]) -> tuple[HydraContext, DictConfig]:
    """The configuration of a sweep, and what composes its jobs; Hydra is at work from here on."""
    return _compose(command, words, dirs, RunMode.MULTIRUN)


def _compose(
    command: str, words: Sequence[str], dirs: Sequence[Path], mode: RunMode
) -> tuple[HydraContext, DictConfig]:
    name = COMPOSES.get(command, command)
    version.setbase("1.3")
    setup_globals()
    hydra = Hydra.create_main_hydra2(name, create_config_search_path(str(dirs[0])))
    search = [f"hydra.searchpath=[{','.join(f'file://{folder.resolve()}' for folder in dirs[1:])}]"] if dirs[1:] else []
    config = hydra.compose_config(name, [*words, *search], mode, with_log_configuration=False, from_shell=False)
    return HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks()), config


def drop_hydra(composed: DictConfig) -> DictConfig:
    """What a command's task is given of a composed configuration."""
    return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])


def config_folders() -> list[Path]:
    """Folders with configs of the command that runs, elbolab's own first: in any process, whatever its arguments."""
    sources = HydraConfig.get().runtime.config_sources
    others = [Path(source.path) for source in sources if source.schema == "file" and source.path]
    return list(dict.fromkeys([config_dir(), *others]))


def check_working_folder(hydra: DictConfig | HydraConf) -> None:
    """Keeps a command in the folder in which it was typed: refuses ``hydra.job.chdir``, of a composed config."""
    if hydra.job.chdir:
        os.chdir(hydra.runtime.cwd)
        raise ValueError(
            "hydra.job.chdir=true: relative paths (data.path, resume) would be looked for in the directory of the run; "
            "leave it out: all that a run writes is in hydra.run.dir without it"
        )


@contextmanager
def isolate_hydra() -> Iterator[None]:
    """Within, Hydra is as in a process that has not used it; outside it is what it was, the caller's or this command's.

    `HydraConfig` alone is shared with what runs within, until `use_choices` or Hydra itself sets another.
    """
    hydra, config, job = GlobalHydra.instance().hydra, HydraConfig.instance().cfg, JobRuntime.instance().conf
    base = version.getbase()
    GlobalHydra.instance().clear()
    JobRuntime.instance().conf = OmegaConf.create(job)
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = hydra  # of another instance, if one was put in its place
        HydraConfig.instance().cfg, JobRuntime.instance().conf = config, job
        version.VersionBase.instance().version_base = base


@contextmanager
def use_choices(composed: DictConfig) -> Iterator[None]:
    """``${hydra:...}`` means the choices of ``composed`` for a while."""
    hydra = HydraConfig.instance()
    before = hydra.cfg
    hydra.set_config(composed)
    try:
        yield
    finally:
        hydra.cfg = before
