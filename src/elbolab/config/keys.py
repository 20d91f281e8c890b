"""The keys that a command's config has."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def composed_keys(dirs: Sequence[Path], argv: Sequence[str], *, without: str = "", hydra: bool = False) -> list[str]:
    """Every dotted key, inner ones too, of the config that a command composes.

    Args:
        dirs: folders with configs, elbolab's own first.
        argv: the sub-command and its arguments.
        without: leave out overrides of this key; where others fail too, swept ones are left out, and then all.
        hydra: Hydra's own keys as well.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    from elbolab.config.paths import COMPOSES

    words = [word for word in argv[1:] if not word.startswith("-") and "=" in word]
    good = [word for word in words if not without or without not in word.partition("=")[0]]
    folders = ",".join(f"file://{folder.resolve()}" for folder in dirs[1:])
    paths = [f"hydra.searchpath=[{folders}]"] if folders else []
    paths += ["hydra/launcher=sbatch"] if argv[0] == "sbatch" else []  # whose knobs it has
    with initialize_config_dir(str(dirs[0]), version_base="1.3"):
        for overrides in ([*good, *paths], [*(word for word in good if "," not in word), *paths], paths):  # not swept
            try:
                config = compose(COMPOSES.get(argv[0], argv[0]), overrides, return_hydra_config=hydra)
                return list(_keys(OmegaConf.to_container(config, resolve=False)))
            except HydraException:
                continue
    return []


def _keys(node: Any, prefix: str = "") -> Iterator[str]:
    for name, child in node.items() if isinstance(node, dict) else ():
        yield f"{prefix}{name}"
        yield from _keys(child, f"{prefix}{name}.")
