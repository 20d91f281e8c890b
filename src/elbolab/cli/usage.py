"""The commands with their help."""

COMMANDS = {
    "train": "train, evaluate and picture a model: elbolab train model=beta_vae model.beta=4",
    "evaluate": "measure a run again: elbolab evaluate run=DIR evaluation.num_samples=5000",
    "sample": "draw from a run: elbolab sample run=DIR",
    "encode": "codes of new data, or of a split: elbolab encode run=DIR data.path=new.npz nll=true",
    "fit-prior": "a prior for the codes of a run, afterwards: elbolab fit-prior run=DIR components=10",
    "benchmark": "speed and memory on this machine: elbolab benchmark quick=true",
    "runs": "runs as a table, also while they train: elbolab runs SWEEP_DIR model=vae sort=test.nll mean=true",
    "report": "one HTML page of runs, to keep or to send: elbolab report SWEEP_DIR out=report.html",
    "compare": "runs side by side: elbolab compare SWEEP_DIR",
    "wandb-sweep": "the YAML of a W&B sweep: elbolab wandb-sweep 'model.beta=interval(0.5,8)' seed=1,2 --out s.yaml",
    "dashboard": "a W&B workspace for a project: elbolab dashboard project=elbolab",
    "published": "published numbers beside those of your runs: elbolab published [DIR ...]",
    "sbatch": "a script that does the same on SLURM: elbolab sbatch -m seed=1,2,3 hydra.launcher.time=2:00:00",
    "list": "every choice with one line each: elbolab list [model|data|net|experiment|...]",
    "completion": 'shell completion: eval "$(elbolab completion bash)"',
}
"""The sub-commands with a line of help each."""

_WHICH = """
  DIR ...          folders with runs; default: outputs
  KEY=VALUE,...    only runs that have one of these: model=vae, seed=1,2, state=failed
  sort=KEY         by test.nll, model.beta, best, age, ...; sort=-KEY turns the order"""

OPTIONS = {
    "runs": f"""{_WHICH}
  columns=A,B      these quantities: columns=test.elbo,rate; columns=all
  mean=true        a line for all runs that differ by seeds alone""",
    "report": f"""{_WHICH}
  out=FILE         the page; default: report.html in DIR
  figures=N        of how many runs it holds the figures; default: 16""",
    "wandb-sweep": """
  KEY=SPACE        1,2,3  range(2,20,2)  interval(0.5,8)  tag(log,interval(1e-4,1e-2)), in quotes
  KEY=VALUE        fixed; elbolab train --help lists them
  --out FILE       where to write; default: the terminal
  --method METHOD  bayes, grid or random; default: grid where every space is a list, else bayes
  --early-stop N   hyperband, from the N-th validation on
  --name NAME      of the sweep""",
    "sbatch": """
  -m               the script of a sweep, an array of jobs; without it, or with resume=DIR, that of one run
  KEY=VALUE        as for elbolab train; its --help lists them
  hydra.launcher.  partition, account, qos, constraint, gres, gpus_per_rank, cpus_per_rank, mem, time,
                   array_parallelism, setup, sbatch, ...: see hydra/launcher/slurm.yaml""",
}
"""What sub-commands take beside, for their own ``--help``."""

HIDDEN = ("_complete", "_job")
"""Sub-commands that scripts call."""

HELP = """usage: elbolab COMMAND [GROUP=OPTION ...] [KEY=VALUE ...]

{commands}

  -m, --multirun      sweep over comma-separated values: elbolab train -m model.beta=1,4 seed=0,1
  --config-dir DIR    a folder with configs of your own; its modules can be imported
  --cfg job           show the composed configuration and stop
  resume=DIR          go on with a run: elbolab train resume=DIR trainer.max_epochs=40
  -v                  show the traceback of an error
  --version           print the version
"""


def usage() -> str:
    """The text of `elbolab --help`."""
    return HELP.format(commands="\n".join(f"  {name:<11} {line}" for name, line in COMMANDS.items()))
