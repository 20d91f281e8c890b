"""The run directory: everything that a run leaves, and what rebuilds its model without the data."""

import json
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import torch
from filelock import FileLock, Timeout
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import load_file, save
from torch import nn

from elbolab.batch import Spec
from elbolab.common.files import replacing, write_atomically, write_json
from elbolab.common.machine import name_of
from elbolab.config.paths import config_dir
from elbolab.config.renamed import MOVED
from elbolab.config.values import resolve
from elbolab.data.module import DataModule
from elbolab.runs.status import newest_state
from elbolab.training.newest import move_path

FIRST_EDITION = re.compile(
    r"elbolab\.densities\.(single_layer|stochastic|regression|autoencoder|adversarial|labelled\.L|stacked\.S)[\w.]*"
)
"""Names of densities that no later edition has; those that have stayed are built as they were."""

RENAMED = {
    "elbolab.densities.wiring.single_layer": "elbolab.densities.layer.single_layer",
    "elbolab.densities.layer.stochastic_network": "elbolab.densities.wiring.stochastic_network",
    "elbolab.densities.layer.regression": "elbolab.densities.wiring.regression",
    "elbolab.densities.layer.autoencoder": "elbolab.densities.wiring.autoencoder",
    "elbolab.densities.layer.adversarial_layer": "elbolab.densities.wiring.adversarial_layer",
    "elbolab.densities.attributes.attribute_layer": "elbolab.densities.wiring.attribute_layer",
    "elbolab.densities.labelled.labelled": "elbolab.densities.labelled.labelled_layer",
    "elbolab.densities.wiring.labelled_layer": "elbolab.densities.labelled.labelled_layer",
    "elbolab.densities.stacked.stacked": "elbolab.densities.stacked.stacked_layers",
    "elbolab.densities.wiring.stacked_layers": "elbolab.densities.stacked.stacked_layers",
    "elbolab.densities.denoising.DenoisingLayer": "elbolab.densities.denoising.denoising_layer",
    "elbolab.densities.recurrent.Recurrent": "elbolab.densities.recurrent.recurrent_layer",
    "elbolab.densities.categorical.ClassAutoencoder": "elbolab.densities.categorical.class_autoencoder",
    "elbolab.densities.categorical.GroupAutoencoder": "elbolab.densities.categorical.group_autoencoder",
    "elbolab.densities.classifier.Classifier": "elbolab.densities.classifier.classification",
    "elbolab.models.beta_vae.BetaVAE": "elbolab.models.beta_vae.beta_vae",
    "elbolab.models.m1.M1": "elbolab.models.vae.VAE",
    "elbolab.models.regression.Regression": "elbolab.models.vae.VAE",
}
"""What earlier runs were built by, and what builds the same today."""

OLD_EVALUATION = "elbolab.evaluation.evaluate.evaluate"
"""What runs were measured by before measures had files of their own."""

BRIEFLY = 0.3
"""Seconds in which a lock is asked for: `state.is_held` looks at it by taking it for a moment."""


@final
class RunDir:
    """Paths of one run.

    Attributes:
        config: the resolved configuration.
        spec: what the model knows of its data.
        data: the fingerprint of its data; see `elbolab.runs.same_data`.
        environment: versions, hardware, git revision, command.
        timing: steps, seconds and images a second of the training.
        metrics: training and validation curves.
        pretrained: what rebuilds the stages that the model has taken up, a folder each; their weights are its own.
        best: the checkpoint that validation chose.
        last: the newest checkpoint that elbolab has saved.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config, self.metrics, self.figures = path / "config.yaml", path / "metrics.csv", path / "figures"
        self.spec, self.data, self.environment = path / "spec.json", path / "data.json", path / "environment.json"
        self.timing, self.evaluation = path / "timing.json", path / "evaluation.json"
        self.weights, self.pretrained = path / "weights.safetensors", path / "pretrained"
        self.best, self.last = path / "checkpoints" / "best.ckpt", path / "checkpoints" / "last.ckpt"

    @property
    def newest(self) -> Path | None:
        """The newest state of all, to go on from."""
        return newest_state(self.path)


@contextmanager
def acquire_run(run: RunDir) -> Iterator[None]:
    """Keeps the directory to one training at a time; another one raises BlockingIOError."""
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        yield
        return
    lock = FileLock(run.path / ".lock", timeout=BRIEFLY, poll_interval=0.02)
    try:
        lock.acquire()
    except Timeout:
        raise BlockingIOError(f"another process is training in {run.path}: wait for it, or end it") from None
    try:
        yield
    finally:
        lock.release()
        (run.path / ".lock").unlink(missing_ok=True)


@contextmanager
def discard_unless_begun(run: RunDir) -> Iterator[None]:
    """Takes away what a training leaves that an error ends before its first steps: nothing can go on from it.

    A run that has begun has a configuration; it keeps everything, and so does the one that is resumed.
    """
    before = set(run.path.iterdir())
    try:
        yield
    except BaseException:
        if rank_zero_only.rank == 0 and not run.config.is_file():  # type: ignore[attr-defined]
            for path in set(run.path.iterdir()) - before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def check_free(run: RunDir) -> None:
    """Refuses the directory of another run: until its first checkpoint a new one would go on from the old one's."""
    if rank_zero_only.rank == 0 and run.config.is_file():  # type: ignore[attr-defined]
        raise ValueError(f"{run.path} holds a run: go on with it by resume={run.path}, or choose another hydra.run.dir")


def clear_run(run: RunDir) -> None:
    """Removes what an earlier attempt has left, but its log: a job begins anew. The caller holds the lock."""
    for path in run.path.iterdir():
        if rank_zero_only.rank == 0 and path.name not in (".lock", "log.txt"):  # type: ignore[attr-defined]
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_start(run: RunDir, cfg: DictConfig, data: DataModule, command: list[str]) -> None:
    """What rebuilds the run: spec, its data's fingerprint, environment; the config last, with which a run has begun."""
    write_json(run.spec, data.full_spec.to_json())
    write_json(run.data, {"trained_on": data.fingerprint})
    environment = {
        "command": command,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("elbolab", "torch", "lightning", "hydra-core", "numpy")},
        "device": name_of(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        "threads": torch.get_num_threads(),
        "git": read_git_revision(),
    }
    write_json(run.environment, environment)
    write_atomically(run.config, OmegaConf.to_yaml(resolve(cfg)))


def read_git_revision() -> str | None:
    """The revision of the current folder, ``-dirty`` with changes, None outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def read_config(run: RunDir) -> DictConfig:
    """The saved configuration, with this directory in the place of its own path: it may have moved."""
    cfg = OmegaConf.load(run.config)
    target = str(OmegaConf.select(cfg, "densities._target_"))
    if FIRST_EDITION.fullmatch(target):
        raise ValueError(
            f"{run.path} was written by {describe_writer(run)}, whose models were built by {target}, which this one "
            "does not have: train it again, or read it with that version (at the latest commit 7512702)"
        )
    for part in ("densities", "model"):
        target = OmegaConf.select(cfg, f"{part}._target_")
        if target in RENAMED:
            OmegaConf.update(cfg, f"{part}._target_", RENAMED[target])
    if "posterior_sees_attributes" in cfg.densities:
        cfg.densities.posterior_sees_conditions = cfg.densities.pop("posterior_sees_attributes")
    renew_evaluation(cfg)
    return OmegaConf.create(move_paths(OmegaConf.to_container(cfg), cfg.paths.run, str(run.path)))


def renew_evaluation(cfg: Any) -> None:
    """Gives a run of before measures had files of their own today's, with the options that it was measured by."""
    saved = cfg.get("evaluation")
    if saved is None or saved.get("_target_") != OLD_EVALUATION:
        return
    folder = config_dir() / "evaluation"
    fresh: Any = OmegaConf.load(folder / "default.yaml")
    for key, name in [next(iter(entry.items())) for entry in fresh.pop("defaults") if entry != "_self_"]:
        measure = OmegaConf.load(folder / "measure" / f"{name}.yaml")
        OmegaConf.update(fresh, key.partition("@")[2], measure, force_add=True)
    cfg.evaluation = fresh
    for name, value in saved.items():
        key = f"evaluation.{name}"
        if name not in ("_target_", "_partial_"):
            OmegaConf.update(cfg, MOVED.get(key, key), value, merge=True, force_add=True)


def describe_writer(run: RunDir) -> str:
    """The version of elbolab that wrote a run, and the git revision where it was trained, as far as it says so."""
    try:
        written = json.loads(run.environment.read_text(encoding="utf-8"))
        at = f" at {written['git']}" if written["git"] else ""
        return f"elbolab {written['packages']['elbolab']}{at}"
    except (OSError, ValueError, KeyError, TypeError):
        return "an earlier elbolab"


def move_paths(node: Any, old: str, new: str) -> Any:
    """A configuration in plain Python in which every path below ``old`` lies below ``new``."""
    match node:
        case dict():
            return {key: move_paths(value, old, new) for key, value in node.items()}
        case list():
            return [move_paths(value, old, new) for value in node]
        case str():
            return move_path(node, old, new)
    return node


def read_spec(run: RunDir) -> Spec:
    """The saved spec."""
    return Spec.from_json(json.loads(run.spec.read_text(encoding="utf-8")))


def save_weights(path: Path, module: nn.Module) -> None:
    """Parameters and buffers as safetensors, atomically: no pickle. Of what has two names the first is kept."""
    named = module.state_dict()
    kept = {first: named[first] for first in dict.fromkeys(first_names(module).values())}
    with replacing(path) as beside:
        beside.write_bytes(save({name: tensor.detach().cpu().contiguous() for name, tensor in kept.items()}))


def load_weights(path: Path, module: nn.Module) -> None:
    """The inverse of `save_weights`."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} has no weights yet: finish it with elbolab train resume={path.parent}")
    saved = load_file(path)
    aliases = {name: saved[first] for name, first in first_names(module).items() if first in saved}
    module.load_state_dict(saved | aliases)


def first_names(module: nn.Module) -> dict[str, str]:
    """For every name of a parameter or buffer the first one of that tensor: a module that two others share has two."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, tensor in module.state_dict(keep_vars=True).items()}
