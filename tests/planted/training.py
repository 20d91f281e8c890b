"""Mistakes in training/."""

from tests.planting import Mistake

OPTIMIZERS, STEPPER, TALLY = (f"tests/training/test_{name}.py" for name in ("optimizers", "stepper", "tally"))

MISTAKES = [
    Mistake(
        "training/optimizers.py",
        'group["lr"].copy_(group["base_lr"] * factor)',
        'group["lr"].mul_(factor)',
        OPTIMIZERS,
    ),
    Mistake(
        "training/optimizers.py",
        'group["lr"] = float(group["base_lr"] * factor)',
        'group["lr"] = float(group["lr"] * factor)',
        OPTIMIZERS,
    ),
    Mistake(
        "training/optimizers.py",
        'float(group.get("base_lr", group["lr"]))',
        'float(group["lr"])',
        OPTIMIZERS,
    ),
    Mistake(
        "training/stepper.py",
        "guarded_step(self.guard, player.parameters, optimizer)",
        "guarded_step(self.guard, [p for one in self.players for p in one.parameters], optimizer)",
        OPTIMIZERS,
    ),
    Mistake(
        "training/stepper.py",
        "factor = self.schedule(self.counter)",
        "factor = self.schedule((self.counter - 1).clamp(min=0))",
        OPTIMIZERS,
    ),
    Mistake("training/tally.py", "all_reduce(self.sums)", "all_reduce(self.sums[0])", TALLY),
    Mistake("training/tally.py", "(torch.stack(finite), alpha=size)", "(torch.stack(finite))", STEPPER),
]
