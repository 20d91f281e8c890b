"""Where the configs are."""

from pathlib import Path

COMPOSES = {"sbatch": "train", "fit-prior": "fit_prior"}
"""Commands that compose a configuration of another name; all others compose ``conf/NAME.yaml``."""


def config_dir() -> Path:
    """The folder conf/: inside the package in a wheel, at the top of a checkout.

    Raises:
        FileNotFoundError: neither exists; the installation is broken.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parents[1] / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no conf/train.yaml beside {package}: install elbolab again")
