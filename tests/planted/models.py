"""Mistakes in models/."""

from tests.planting import Mistake

GRADIENTS, PLAYERS, SCHEDULES = (f"tests/models/test_{name}.py" for name in ("gradients", "players", "schedules"))
VARIANTS = "tests/models/test_variants.py"

MISTAKES = [
    Mistake(
        "models/aae.py",
        "torch.cat([batch.labelled.x, batch.unlabelled.x])",
        "torch.cat([batch.unlabelled.x, batch.labelled.x])",
        PLAYERS,
    ),
    Mistake(
        "models/aae.py",
        "critic_player(self.critic, self.prior_points, self.code_points,",
        "critic_player(self.critic, self.code_points, self.prior_points,",
        PLAYERS,
    ),
    Mistake(
        "models/aae.py",
        "torch.where(unknown, torch.randint_like(labels, p.num_labels), labels)",
        "torch.where(unknown, torch.zeros_like(labels), labels)",
        PLAYERS,
    ),
    Mistake(
        "models/players.py",
        "penalty = gradient_penalty(critic, found)",
        "penalty = gradient_penalty(critic, drawn)",
        PLAYERS,
    ),
    Mistake(
        "models/players.py",
        "return Loss(torch.stack(losses).sum(), {},",
        "return Loss(torch.stack(losses).mean(), {},",
        PLAYERS,
    ),
    Mistake(
        "models/categorical_aae.py",
        "return [(self.style, (z,)), (self.category, (log_y.exp(),))]",
        "return [(self.style, (z,)), (self.category, (log_y,))]",
        PLAYERS,
    ),
    Mistake(
        "models/categorical_aae.py",
        "torch.randint(self.num_categories, (len(x),), device=x.device)",
        "torch.zeros(len(x), dtype=torch.long, device=x.device)",
        PLAYERS,
    ),
    Mistake(
        "models/categorical_aae.py",
        "critic_player(self.style, prior_styles, lambda batch: codes(batch)[0][1],",
        "critic_player(self.style, lambda batch: codes(batch)[0][1], prior_styles,",
        PLAYERS,
    ),
    Mistake(
        "models/categorical_aae.py",
        "self.category, self.draw_categories, lambda batch: codes(batch)[1][1],",
        "self.category, lambda batch: codes(batch)[1][1], self.draw_categories,",
        PLAYERS,
    ),
    Mistake(
        "models/cvae.py",
        "return Loss(self.alpha * cvae - (1 - self.alpha) * gsnn,",
        "return Loss(self.alpha * cvae - (1 - self.alpha) * gsnn.detach(),",
        GRADIENTS,
    ),
    Mistake("models/m2.py", "+ alpha * classification\n", "+ alpha * classification.detach()\n", GRADIENTS),
    Mistake("models/m2.py", "self.alpha(self.step)", "self.alpha((self.step - 1).clamp(min=0))", SCHEDULES),
    Mistake("models/cost.py", "cost.weight(step)", "cost.weight((step - 1).clamp(min=0))", SCHEDULES),
    Mistake(
        "models/costs.py",
        "self.capacity(step)).abs()",
        "self.capacity((step - 1).clamp(min=0))).abs()",
        SCHEDULES,
    ),
    Mistake(
        "models/costs.py",
        "[latent.kl_per_dim.flatten(0, -2).mean(0) for latent in terms.latents], self.free_bits(step)\n"
        "        return reduce(add, [mean.clamp(min=free_bits).sum() for mean in means])",
        "[latent.kl_per_dim.flatten(0, -2) for latent in terms.latents], self.free_bits(step)\n"
        "        return reduce(add, [mean.clamp(min=free_bits).mean(0).sum() for mean in means])",
        SCHEDULES,
    ),
    Mistake(
        "models/m2.py",
        "add_penalty(-l.elbo, l.penalty)\n",
        "-l.elbo\n",
        "tests/models/test_m2.py",
    ),
    Mistake("models/m2.py", "add_penalty(-u.elbo, u.penalty),", "-u.elbo,", "tests/models/test_m2.py"),
    Mistake(
        "models/players.py",
        "read.append(inputs[0])",
        "read.append(inputs[0].detach())",
        "tests/models/test_adversarial.py",
    ),
    Mistake(
        "models/checks.py",
        "if not made or not torch.equal(made[-1].flatten(), logits.flatten()):",
        "if not made:",
        "tests/models/test_adversarial.py",
    ),
    Mistake(
        "models/checks.py",
        "torch.random.fork_rng(devices=[])",
        "torch.random.fork_rng(devices=[], enabled=False)",
        "tests/models/test_adversarial.py",
    ),
    Mistake("models/costs.py", "(terms.rate.mean() - self", "(terms.rate - self", VARIANTS),
    Mistake("models/costs.py", "return terms.rate\n", "return terms.rate.detach()\n", GRADIENTS),
    Mistake("models/costs.py", "mean.clamp(min=free_bits).sum()", "mean.clamp(min=free_bits).mean()", VARIANTS),
    Mistake("models/cost.py", "paid if self.has_rate else", "paid if len(self) else", VARIANTS),
    Mistake("models/cost.py", "[weight * value for weight", "[value for weight", SCHEDULES),
    Mistake("models/cost.py", "additive = all(", "additive = any(", VARIANTS),
    Mistake("models/beta_vae.py", "Capacity(capacity, beta)", "Capacity(beta, capacity)", SCHEDULES),
    Mistake(
        "models/cost.py",
        "if len(rates) > 1:",
        "if len(rates) > 2:",
        VARIANTS,
    ),
    Mistake(
        "models/dvae.py",
        "| _bound(self._corrupted_terms(batch))",
        "| _bound(self.densities.terms(batch.x, *batch.given))",
        "tests/models/test_dvae.py",
    ),
    Mistake(
        "models/base.py",
        "return () if num == 1 else (num,)",
        "return () if num == 1 else (1,)",
        "tests/models/test_schedules.py",
    ),
    Mistake(
        "models/cvae.py",
        "hybrid = self.alpha * terms.elbo.mean() + (1 - self.alpha) * gsnn",
        "hybrid = (1 - self.alpha) * terms.elbo.mean() + self.alpha * gsnn",
        "tests/models/test_cvae.py",
    ),
    Mistake(
        "training/module.py",
        "schedule.observe(torch.tensor(self.sign * logged[self.monitor], device=self.device))",
        "schedule.observe(torch.tensor(logged[self.monitor], device=self.device))",
        "tests/training/test_fit.py",
    ),
    Mistake(
        "training/module.py",
        "return Length(epoch, min(ends) if ends else None)",
        "return Length(epoch, max(ends) if ends else None)",
        "tests/models/test_schedules.py",
    ),
    Mistake(
        "batch.py",
        "return batch.unlabelled if isinstance(batch, Semi) else batch",
        "return batch.labelled if isinstance(batch, Semi) else batch",
        "tests/models/test_m2.py",
    ),
    Mistake(
        "training/module.py",
        'seed_of("validation", position)',
        'seed_of("validation", 0)',
        "tests/training/test_fit.py",
    ),
    Mistake(
        "training/module.py",
        "                stack.enter_context(self.ema.applied(averaged(self.densities)))\n            fit",
        "                pass\n            fit",
        "tests/training/test_scales.py",
    ),
    Mistake("training/module.py", "buffer.div_(world)", "pass", "tests/training/test_scales.py"),
    Mistake("models/m2.py", "-batch.labelled_mean(l.log_q)", "-l.log_q.mean()", "tests/training/test_accumulate.py"),
    Mistake(
        "models/m2.py",
        "batch.labelled_mean(share * of_labelled) +",
        "(share * of_labelled).mean() +",
        "tests/training/test_accumulate.py",
    ),
    Mistake(
        "models/classifier.py",
        "Loss(batch.labelled_mean(cost)",
        "Loss(cost.mean()",
        "tests/training/test_accumulate.py",
    ),
    Mistake(
        "models/categorical_aae.py", "batch.labelled_mean(cost)", "cost.mean()", "tests/training/test_accumulate.py"
    ),
    Mistake(
        "models/vae.py",
        "additive=self.costs.additive and not",
        "additive=not",
        "tests/training/test_accumulate.py",
    ),
    Mistake(
        "models/players.py",
        "return Loss(value, {}, additive)",
        "return Loss(value, {})",
        "tests/training/test_accumulate.py",
    ),
    Mistake(
        "models/categorical_aae.py",
        "labelled = check_semi(batch).labelled",
        "labelled = check_semi(batch).labelled; labelled = labelled._replace(x=labelled.x.flip(0))",
        "tests/models/test_adversarial.py",
    ),
    Mistake(
        "models/ae.py",
        '"mse": (p.mean - batch.x).square().mean()',
        '"mse": (p.mean - batch.x).abs().mean()',
        "tests/models/test_variants.py",
    ),
    Mistake(
        "training/module.py",
        "row = {name: mean.double() * size for name, mean in report.items()}",
        "row = {name: mean.double() for name, mean in report.items()}",
        "tests/training/test_fit.py",
    ),
    Mistake(
        "training/module.py",
        "        if self._restored is None:\n            self._run = None",
        "        self._run = None",
        "tests/training/test_fit.py",
    ),
    Mistake("models/aae.py", "if len(latent.z) < 2:", "if len(latent.z) < 1:", "tests/models/test_adversarial.py"),
    Mistake(
        "models/classifier.py",
        '{"error": is_wrong(log_q, y).mean(), "classification": -log_q.gather(1, y[:, None]).mean()}',
        '{"error": is_wrong(log_q, y).mean(), "classification": log_q.gather(1, y[:, None]).mean()}',
        "tests/models/test_m2.py",
    ),
    Mistake(
        "models/categorical_aae.py",
        "return [first, *self.critics.players(self.densities)]",
        "return [*self.critics.players(self.densities), first]",
        "tests/models/test_adversarial.py",
    ),
    Mistake(
        "models/players.py",
        "return F.softplus(-critic(*fake)).mean()",
        "return -F.softplus(critic(*fake)).mean()",
        "tests/models/test_adversarial.py",
    ),
    Mistake(
        "models/players.py",
        "torch.full_like(logits, 1 - smoothing)",
        "torch.full_like(logits, 1 - smoothing / 2)",
        "tests/models/test_adversarial.py",
    ),
    Mistake(
        "models/classifier.py",
        "part = batch.labelled if isinstance(batch, Semi) else batch",
        "part = batch.labelled._replace(y=batch.labelled.y.flip(0)) if isinstance(batch, Semi) else batch",
        "tests/models/test_m2.py",
    ),
    Mistake(
        "models/m2.py",
        "batch.labelled_mean(share * of_labelled)",
        "batch.labelled_mean(of_labelled)",
        "tests/models/test_m2.py",
    ),
    Mistake(
        "models/m2.py",
        "wrong(terms.log_q.T, batch.y).mean()",
        "wrong(-terms.log_q.T, batch.y).mean()",
        "tests/models/test_m2.py",
    ),
    Mistake(
        "training/module.py", "self.global_rank).initial_seed())", "0).initial_seed())", "tests/training/test_ddp.py"
    ),
    Mistake(
        "training/module.py",
        "block.truncate(self.trainer.max_steps - first)",
        "block.truncate(self.trainer.max_steps - first + 1)",
        "tests/training/test_fit.py",
    ),
    Mistake(
        "models/costs.py",
        "_ = terms.rate, [latent.kl_per_dim for latent in terms.latents]",
        "_ = terms.distortion",
        VARIANTS,
    ),
    Mistake(
        "models/aae.py",
        "mmd2(latent.z.flatten(1), drawn.flatten(1)).mean()",
        "mmd2(latent.z.flatten(1), drawn.flatten(1)).amax()",
        "tests/models/test_adversarial.py",
    ),
    Mistake("training/contract.py", "if value.dim() > 0:", "if value.dim() > 1:", "tests/training/test_contract.py"),
    Mistake(
        "training/stepper.py",
        "        self.checked = True\n",
        "",
        "tests/training/test_contract.py",
    ),
    Mistake(
        "evaluation/figures/classes.py",
        "every_class(spec, x)[spec.class_index(label)]",
        "every_class(spec, x)[0]",
        "tests/runs/test_load.py",
    ),
]
