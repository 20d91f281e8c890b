"""The keys that a command's config has."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from elbolab.common.dotted import walk_keys


def list_keys(dirs: Sequence[Path], argv: Sequence[str], *, without: str = "", hydra: bool = False) -> list[str]:
    """Every dotted key, inner ones too, of the config that a command composes.

    Args:
        dirs: folders with configs, elbolab's own first.
        argv: the sub-command and its arguments.
        without: leave out overrides of this key; where others fail too, swept ones are left out, and then all.
        hydra: Hydra's own keys as well.
    """
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    from elbolab.config.composing import compose_config, drop_hydra

    words = [word for word in argv[1:] if not word.startswith("-") and "=" in word]
    good = [word for word in words if not without or without not in word.partition("=")[0]]
    knobs = ["hydra/launcher=sbatch"] if argv[0] == "sbatch" else []
    for overrides in ([*good, *knobs], [*(word for word in good if "," not in word), *knobs], knobs):  # not swept
        with suppress(HydraException):
            config = compose_config(argv[0], overrides, dirs)
            node = config if hydra else drop_hydra(config)
            return [key for key, _ in walk_keys(OmegaConf.to_container(node, resolve=False))]  # type: ignore[arg-type]
    return []
