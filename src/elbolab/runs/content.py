"""What a configuration says of an experiment, and what it does not."""

import json
import re
from collections.abc import Iterable
from typing import Any

UNHASHED = (
    *("paths", "logger", "name", "title", "group", "tags", "resume", "compile", "scale"),
    *("trainer.accelerator", "trainer.engine", "data.root", "data.resident", "data.num_workers"),
)
"""What tells no two trainings apart: where they run, and how they are watched."""

SEEDS = ("seed", "data.seed", "data.label_seed")
"""What tells repetitions of an experiment apart."""


def content_of(config: dict[str, Any]) -> dict[str, Any]:
    """What a configuration says of the experiment: without seeds, paths and what only watches."""
    text, own = json.dumps(config), json.dumps(config["paths"]["run"])[:-1]
    anywhere = json.loads(text.replace(f'{own}"', '"/"').replace(f"{own}/", '"/'))  # paths in its folder lie in /
    content = drop_keys(anywhere, (*UNHASHED, *SEEDS))
    stages = content.get("pretrained") or {}
    content["pretrained"] = {name: re.sub(r"seed=\d+", "", str(stage)) for name, stage in stages.items()}
    return content


def drop_keys(config: Any, keys: Iterable[str]) -> dict[str, Any]:
    """A configuration in plain Python, changed in place, less those dotted keys."""
    for key in keys:
        parent, _, last = key.rpartition(".")
        (config.get(parent, {}) if parent else config).pop(last, None)
    return config
