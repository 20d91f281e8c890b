"""Mistakes in training/."""

from tests.planting import Mistake

OPTIMIZERS, STEPPER, TALLY = (f"tests/training/test_{name}.py" for name in ("optimizers", "stepper", "tally"))

SCALES, SCHEDULES = "tests/training/test_scales.py", "tests/training/test_schedules.py"

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
    Mistake("training/stepper.py", "all_reduce(self.sums)", "all_reduce(self.sums[0])", TALLY),
    Mistake("training/stepper.py", "self.one]), alpha=size)", "self.one]))", STEPPER),
    Mistake(
        "training/ema.py",
        "saved = [weight.detach().clone() for weight in weights]",
        "saved = [weight.detach() for weight in weights]",
        "tests/training/test_stepper.py",
    ),
    Mistake("training/guard.py", "(in_a_row < patience)", "(in_a_row <= patience)", "tests/training/test_stepper.py"),
    Mistake(
        "training/guard.py",
        "> guard.skip_patience for optimizer in optimizers)",
        "> guard.skip_patience + 1 for optimizer in optimizers)",
        "tests/training/test_stepper.py",
    ),
    Mistake(
        "training/schedules.py",
        "position = torch.where(step >= self.duration,",
        "position = torch.where(step > self.duration,",
        "tests/training/test_schedules.py",
    ),
    Mistake(
        "training/schedules.py",
        "better = value < self.best - self.min_delta",
        "better = value < self.best + self.min_delta",
        "tests/training/test_fit.py",
    ),
    Mistake(
        "training/newest.py",
        "trainer.global_step // steps > self.saved_step // steps",
        "trainer.global_step % steps == 0",
        "tests/training/test_newest.py",
    ),
    Mistake(
        "training/stepper.py",
        "shares = [size_of(part) / size_of(batch) for part in parts]",
        "shares = [1 / len(parts) for part in parts]",
        "tests/training/test_stepper.py",
    ),
    Mistake(
        "training/stepper.py",
        "torch.stack([r[name] * s for r, s in zip(rows, shares, strict=True)]).sum()",
        "torch.stack([r[name] / len(rows) for r, s in zip(rows, shares, strict=True)]).sum()",
        "tests/training/test_stepper.py",
    ),
    Mistake(
        "training/trainer.py",
        "max(k for k in range(1, log_every_n_steps + 1)",
        "max(k for k in range(1, max(2, log_every_n_steps))",
        "tests/training/test_newest.py",
    ),
    Mistake("training/scales.py", "(sums[0] / sums[1])", "(sums[0] / sums[1] * 1.05)", SCALES),
    Mistake("training/scales.py", "            all_reduce(sums)", "            pass", SCALES),
    Mistake("training/scales.py", " and id(m) not in frozen", "", SCALES),
    Mistake(
        "training/ema.py",
        "return [*module.parameters(), *running_statistics(module)]",
        "return [*module.parameters()]",
        SCALES,
    ),
    Mistake(
        "training/schedules.py",
        "max(1, length.total - 1 - self.delay)",
        "max(1, length.total - self.delay)",
        SCHEDULES,
    ),
    Mistake(
        "training/stepper.py",
        "            optimizer.zero_grad(set_to_none=True)\n",
        "            pass\n",
        "tests/training/test_conditional.py",
    ),
    Mistake(
        "training/ema.py",
        "self.register_buffer(str(i), weight.detach().clone())",
        "self.register_buffer(str(i), weight.detach())",
        "tests/training/test_fit.py",
    ),
    Mistake(
        "training/guard.py",
        "tensor.copy_(torch.where(when, old, tensor))",
        "tensor.copy_(torch.where(when, tensor, old))",
        "tests/training/test_stepper.py",
    ),
    Mistake(
        "training/trainer.py",
        "loop._batches_that_stepped += num - 1",
        "loop._batches_that_stepped += num",
        "tests/training/test_fit.py",
    ),
    Mistake(
        "training/recorded.py",
        "            state.write(before)\n",
        "            pass\n",
        "tests/training/test_engine.py",
    ),
    Mistake(
        "training/recorded.py",
        "return all(bool(((a == b) | ((a != a) & (b != b))).all()) for a, b in zip(one, other, strict=True))",
        "return all(bool((a == b).all()) for a, b in zip(one, other, strict=True))",
        "tests/training/test_recorded.py",
    ),
    Mistake(
        "training/newest.py",
        "return every is not None and (batch_idx + 1) % every == 0",
        "return every is not None and batch_idx % every == 0",
        "tests/training/test_newest.py",
    ),
    Mistake("training/schedules.py", "(3 ** (i + 1) - 1) // 2", "(3**i - 1) // 2", "tests/training/test_schedules.py"),
    Mistake("training/ema.py", "1 - self.decay)", "self.decay)", "tests/training/test_stepper.py"),
    Mistake(
        "training/stepper.py",
        "        self.counter.add_(1)\n",
        "        self.counter.add_(len(self.players))\n",
        "tests/training/test_stepper.py",
    ),
    Mistake("training/stepper.py", "flat.div_(world)", "flat.div_(max(world - 1, 1))", "tests/training/test_ddp.py"),
    Mistake(
        "training/schedules.py",
        "(self.factor * self.decay).clamp(min=self.min_factor)",
        "(self.factor * self.decay).clamp(max=1)",
        "tests/training/test_schedules.py",
    ),
    Mistake(
        "training/schedules.py",
        "tired = self.waited > self.patience",
        "tired = self.waited >= self.patience",
        "tests/training/test_schedules.py",
    ),
    Mistake(
        "training/schedules.py",
        "self.waited.copy_(torch.where(tired, 0, self.waited))",
        "self.waited.copy_(self.waited)",
        "tests/training/test_schedules.py",
    ),
    Mistake(
        "training/newest.py",
        "due = due or 0 < trainer.max_steps <= trainer.global_step or (last_epoch and trainer.is_last_batch)",
        "due = due or 0 < trainer.max_steps <= trainer.global_step",
        "tests/training/test_newest.py",
    ),
    Mistake("training/newest.py", "        if not all(finite):", "        if False:", "tests/training/test_newest.py"),
    Mistake(
        "training/trees.py",
        "parts = min(parts, *(len(leaf) for leaf in leaves(batch)))",
        "parts = min(parts, len(next(leaves(batch))))",
        "tests/training/test_stepper.py",
    ),
    Mistake(
        "training/engine.py",
        "self.calm = 0 if reasons else self.calm + 1",
        "self.calm = self.calm + 1",
        "tests/training/test_engine.py",
    ),
    Mistake(
        "training/engine.py", "        self.replays.clear()\n", "        pass\n", "tests/training/test_recorded.py"
    ),
    Mistake("training/engine.py", "self.changes -= 1", "pass", "tests/training/test_recorded.py"),
    Mistake(
        "training/stop_signals.py",
        "            self._signals, self.given, self._leaving = (), None, False",
        "            self._signals, self._leaving = (), False",
        "tests/training/test_stop_signals.py",
    ),
]
