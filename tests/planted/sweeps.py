"""Mistakes in sweeps/, search/ and cluster/."""

from tests.planting import Mistake

WORKER = "tests/sweeps/test_worker.py"
LOCAL = "tests/sweeps/test_local.py"
SESSION = "tests/sweeps/test_session.py"
LIVE_TABLE = "tests/sweeps/test_live_table.py"
PARTS = "tests/search/test_search_parts.py tests/search/test_space.py"
FOUND = "tests/search/test_search_found.py"
PRUNING = "tests/search/test_pruning.py"
LAUNCH = "tests/cluster/test_launch.py"
JOBS = "tests/cluster/test_jobs.py"

MISTAKES = [
    # -- sweeps
    Mistake("sweeps/local.py", "        if not is_usable:\n", "        if False:\n", WORKER),
    Mistake("sweeps/local.py", "        if not self.is_warm():\n", "        if self.warm is None:\n", WORKER),
    Mistake("sweeps/local.py", "            start_new_session=True,\n", "", WORKER),
    Mistake("sweeps/local.py", "**share.environment,", "**{},", WORKER),
    Mistake(
        "sweeps/local.py",
        "                os.killpg(process.pid, signal.SIGKILL)\n            raise\n",
        "                process.kill()\n            raise\n",
        WORKER,
    ),
    Mistake(
        "sweeps/worker.py",
        "            (os.killpg if is_first_of_group else os.kill)(os.getpid(), signal.SIGKILL)\n",
        "            jobs.put(b'')\n",
        WORKER,
    ),
    Mistake("sweeps/worker.py", '    if "LOCAL_RANK" not in os.environ:', '    if "LOCAL_RANK" in os.environ:', WORKER),
    Mistake("sweeps/fresh_process.py", "        partial(random.setstate, random.getstate()),\n", "", LOCAL),
    Mistake(
        "sweeps/fresh_process.py", "        partial(torch.set_grad_enabled, torch.is_grad_enabled()),\n", "", LOCAL
    ),
    Mistake(
        "sweeps/shares.py",
        "return list(things[i * len(things) // workers : (i + 1) * len(things) // workers])",
        "return list(things[i * (len(things) // workers) : (i + 1) * (len(things) // workers)])",
        LOCAL,
    ),
    Mistake(
        "sweeps/shares.py",
        'threads or os.environ.get("OMP_NUM_THREADS")',
        'os.environ.get("OMP_NUM_THREADS") or threads',
        LOCAL,
    ),
    Mistake(
        "sweeps/job.py",
        "if state.state in DONE or not goes_on:",
        'if state.state == "finished" or not goes_on:',
        SESSION,
    ),
    Mistake("sweeps/ranks.py", '        if status["attempt"] == attempt():\n', "        if True:\n", JOBS),
    Mistake("sweeps/session.py", "if is_new and {path.name", "if {path.name", SESSION),
    Mistake("sweeps/session.py", "with _lock(folder) if jobs else nullcontext():", "with nullcontext():", SESSION),
    Mistake(
        "sweeps/summary.py",
        'over = (*DONE, "running") if sweep.is_search else DONE',
        'over = (*DONE, "running")',
        SESSION,
    ),
    Mistake("sweeps/live_table.py", "self.printed.get(job.num, ", "self.printed.pop(job.num, ", LIVE_TABLE),
    # -- search
    Mistake(
        "search/objectives.py",
        'max if status["mode"] == "max" else min',
        'max if status["mode"] == "min" else min',
        PARTS,
    ),
    Mistake("search/results.py", 'sign = -1 if objective.mode == "max" else 1', "sign = 1", FOUND),
    Mistake("search/results.py", "if path.stem not in best:", "if path.stem in best:", FOUND),
    Mistake("search/experiment.py", "defaults = added + replaced", "defaults = replaced + added", FOUND),
    Mistake(
        "search/space.py",
        "num = math.ceil((stop - start) / step - 1e-9)",
        "num = math.floor((stop - start) / step + 1e-9) + 1",
        PARTS,
    ),
    Mistake(
        "search/samplers.py",
        "SeedSequence([self.seed, trial.number, *more])",
        "SeedSequence([self.seed, *more])",
        PARTS,
    ),
    Mistake("search/samplers.py", "self._make(trial, crc32(param_name.encode()))", "self._make(trial, 1)", PARTS),
    Mistake("search/trials.py", "-len(trials) % self.batch if left", "len(trials) % self.batch if left", PARTS),
    Mistake("search/trials.py", "return not has_owner and not is_held", "return not has_owner or not is_held", PARTS),
    Mistake("search/trials.py", " and not is_held(self.folder / str(trial.number))", "", PARTS),
    Mistake("search/trials.py", '        elif state == "pruned":\n', '        elif state != "failed":\n', PARTS),
    Mistake("search/study.py", "attributes | {RECORD: sorted(record)}", "{RECORD: sorted(record)} | attributes", PARTS),
    Mistake(
        "search/sweeper.py", "self.num_trials = min(self.num_trials, ", "self.num_trials = max(self.num_trials, ", PARTS
    ),
    Mistake(
        "search/pruning.py",
        "return validation >= trial.user_attrs[PRUNED]",
        "return validation == trial.user_attrs[PRUNED]",
        PRUNING,
    ),
    Mistake("search/pruning.py", " and validation not in trial.intermediate_values", "", PRUNING),
    Mistake("search/pruning.py", "validation != trial.last_step or not", "not", PRUNING),
    # -- cluster
    Mistake("cluster/jobs.py", "        seen = set(ended)\n", "        seen |= set(ended)\n", LAUNCH),
    Mistake(
        "cluster/jobs.py",
        "shaping = tuple(filter(may_shape, words))",
        'shaping = tuple(w for w in words if w.startswith("trainer"))',
        LAUNCH,
    ),
    Mistake(
        "cluster/jobs.py",
        "        if state_of(folder).state in DONE:\n",
        '        if state_of(folder).state == "finished":\n',
        LAUNCH,
    ),
    Mistake("cluster/requeue.py", "times >= int(limit)", "times > int(limit)", JOBS),
    Mistake("cluster/requeue.py", "if timer.is_alive():", "if True:", JOBS),
    Mistake(
        "cluster/resources.py",
        "units = (3600, 60, 1) if days or len(parts) == 3 else (60, 1)",
        "units = (3600, 60, 1) if len(parts) == 3 else (60, 1)",
        "tests/cli/test_doctests.py",
    ),
    Mistake("cluster/resources.py", "(given | own).items()", "(own | given).items()", LAUNCH),
    Mistake("cluster/script.py", "if nums == list(range(nums[0], nums[-1] + 1)) else", "if True else", LAUNCH),
    Mistake("cluster/slurm.py", "if not seen[job].has_ended}", "}", LAUNCH),
]
