"""Configs that tests of the command line compose, small and fixed."""

FILES = {
    "train.yaml": """
        defaults:
          - data: digits
          - net: mlp
          - prior: normal
          - model: vae
          - _self_
          - experiment: null
        seed: 0
        mode: max
        """,
    "evaluate.yaml": """
        defaults:
          - net: mlp
          - _self_
        run: ???
        """,
    "corruption/masking.yaml": """
        # zeros
        scale: 1.0
        """,
    "prior/noisy.yaml": """
        # @package densities.prior
        # N(0, I), corrupted
        defaults:
          - normal
          - /corruption@corruption: masking
        """,
    "data/digits.yaml": """
        # small images
        _target_: collections.Counter
        batch_size: 10
        root: null
        """,
    "data/own.yaml": """
        # what you have
        _target_: collections.Counter
        path: ???
        """,
    "net/mlp.yaml": """
        # dense layers
        hidden: [400]
        """,
    "net/conv.yaml": """
        # convolutions
        channels: [32]
        """,
    "prior/normal.yaml": """
        # @package densities.prior
        # N(0, I)
        scale: 1.0
        """,
    "model/_base.yaml": """
        # @package model
        optimizer: {lr: 0.1}
        """,
    "model/vae.yaml": """
        # @package _global_
        # the model
        defaults: [_base]
        model: {num_samples: 1}
        """,
    "model/beta_vae.yaml": """
        # @package _global_
        # with a weight
        defaults: [_base]
        model: {num_samples: 1, beta: 4.0}
        """,
    "experiment/burda2016/vae_reduced.yaml": """
        # @package _global_
        # Table 1
        seed: 3
        """,
}


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip())
        path.write_text("".join(line[indent:] + "\n" for line in lines))
    return folder


def small_conf(folder):
    """A small folder of configs."""
    return write(folder / "conf", FILES)


def users_own(folder):
    """A user's own configs beside them."""
    return write(
        folder / "own",
        {
            "model/mine.yaml": "# @package _global_\n# my model\nmodel: {gamma: 1.0}",
            "net/mlp.yaml": "# my layers\nhidden: []",
        },
    )
