"""Run directories as training leaves them, without training."""

import json
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

QUANTITY = {"stderr": 0.25, "n": 100, "k": 1, "seed": 0, "dtype": "float64", "unit": "nats"}
STATUS = {
    "state": "finished",
    "error": None,
    "value": -90.0,
    "monitor": "val/elbo",
    "mode": "max",
    "overrides": [],
    "epochs": 4,
    "started": "2026-11-20T10:00:00+00:00",
    "ended": "2026-11-20T10:01:30+00:00",
    "before": 0.0,
    "host": "here",
    "pid": 1,
}


def quantity(value, **others):
    return QUANTITY | {"value": value} | others


def report_of(elbo=-90.0, dims=5, **others):
    found = {"elbo": quantity(elbo), "rate": quantity(20.0), "distortion": quantity(-elbo - 20.0)}
    found["nll"] = quantity(-elbo - 4.0, k=50)
    found["kl_per_dim"] = quantity([1.0 / (i + 1) for i in range(dims)], stderr=[0.1] * dims)
    return {"test": found | others}


def config(run, model="VAE", beta=1.0, data="MNIST", seed=0, **others):
    return {
        "data": {"_target_": f"elbolab.data.mnist.{data}", "seed": 0, "path": None},
        "densities": {"latent_dim": 5},
        "monitor": "val/elbo",
        "mode": "max",
        "model": {"_target_": f"elbolab.models.{model.lower()}.{model}", "beta": beta},
        "trainer": {"max_epochs": 4},
        "seed": seed,
        "name": "a_run",
        "title": f"a_run {run.name}",
        "paths": {"run": str(run)},
    } | others


def curves(num=8, elbo=-90.0):
    lines = ["step,epoch,train/loss,train/elbo,train/rate,train/distortion,val/elbo,val/rate,val/distortion"]
    for i in range(num):
        e = elbo - 40.0 / (i + 1)
        val = f"{e - 1},20,{-e - 19}" if i % 2 else ",,"
        lines.append(f"{10 * i + 9},{i // 2},{-e},{e},20,{-e - 20},{val}")
    return "\n".join(lines) + "\n"


def make_run(folder: Path, *, report=None, metrics=None, figures=(), status=(), overrides=(), **changes) -> Path:
    """A finished run; None in the place of a file's content leaves the file out."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config(folder, **changes)))
    (folder / "status.json").write_text(json.dumps(STATUS | dict(status) | {"overrides": list(overrides)}))
    environment = {"command": ["elbolab", "train"], "packages": {"torch": "2.15.0"}, "device": "x86_64", "git": None}
    (folder / "environment.json").write_text(json.dumps(environment))
    (folder / "metrics.csv").write_text(curves() if metrics is None else metrics)
    if report is not None:
        (folder / "evaluation.json").write_text(json.dumps(report))
    for name in figures:
        (folder / "figures").mkdir(exist_ok=True)
        pixels = np.random.default_rng(len(name)).integers(0, 255, (12, 20), dtype=np.uint8)
        Image.fromarray(pixels).resize((200, 120)).save(folder / "figures" / f"{name}.png")
    return folder


def make_sweep(folder: Path, betas=(1, 4), seeds=(0, 1), figures=("samples", "traversals")) -> Path:
    """A sweep whose last job but one has failed and whose last one waits; larger betas have worse bounds."""
    told = [(beta, seed) for beta in betas for seed in seeds]
    for num, (beta, seed) in enumerate(told):
        make_run(
            folder / str(num),
            report=report_of(-90.0 - beta - 0.5 * seed),
            metrics=curves(elbo=-90.0 - beta - seed),
            figures=figures,
            overrides=[f"model.beta={beta}", f"seed={seed}", "data=mnist"],
            beta=beta,
            seed=seed,
        )
    failed, waiting = len(told), len(told) + 1
    told += [(failed * 10, 0), (waiting * 10, 0)]
    jobs = [{"num": n, "overrides": [f"model.beta={b}", f"seed={s}", "data=mnist"]} for n, (b, s) in enumerate(told)]
    error = "training diverged at step 7"
    status = STATUS | {"state": "failed", "value": None, "error": error, "overrides": jobs[failed]["overrides"]}
    (folder / str(failed)).mkdir()
    (folder / str(failed) / "status.json").write_text(json.dumps(status))
    command = ["-m", "model.beta=1,4", "seed=0,1"]
    (folder / "sweep.json").write_text(json.dumps({"command": command, "jobs": jobs, "group": "g", "started": "now"}))
    return folder
