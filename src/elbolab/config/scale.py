"""`scale=paper`, `reduced` or `smoke`: an experiment says both of its sizes in one place, `${by_scale:3280,13}`."""

from typing import Any

from omegaconf import DictConfig, OmegaConf


def choose_by_scale(paper: Any, reduced: Any, smoke: Any = ..., *, _root_: DictConfig) -> Any:
    """The value for the scale that is chosen; for smoke that of the reduced form where it has no third.

    It is called for values of a configuration, and for options in a defaults list, whose root has Hydra's choices;
    there an option that chooses others in turn, as a model does, is refused by Hydra.
    """
    value = {"paper": paper, "reduced": reduced, "smoke": reduced if smoke is ... else smoke}[_root_["scale"]]
    return OmegaConf.create(value) if isinstance(value, list) else value  # a list that others may interpolate in turn


OmegaConf.register_new_resolver("by_scale", choose_by_scale, replace=True)
