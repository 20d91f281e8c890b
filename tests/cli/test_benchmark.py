import json

import pytest
import torch

from elbolab.cli.benchmark import threads

pytestmark = pytest.mark.usefixtures("refrozen")

TINY = ["quick=true", "seconds=0.01", "repeats=2", "nll.num_samples=20", "nll.images=2"]
KEYS = {"task", "model", "batch", "implementation", "images_per_s", "min", "max", "peak_mb"}


def test_a_quick_run_from_end_to_end(shell):
    out = shell(
        "benchmark", *TINY, "threads=1", "out=speed", "implementations=[raw_eager,raw_captured,elbolab,lightning]"
    )
    results = json.loads((shell.folder / "speed" / "benchmark.json").read_text())
    assert [(r["task"], r["model"], r["batch"], r["implementation"]) for r in results] == [
        *(("train", "mlp", 128, name) for name in ("raw_eager", "elbolab", "lightning")),
        *(("nll", "burda, K=20", 2, name) for name in ("raw_eager", "elbolab")),
    ]
    for result in results:
        assert set(result) == KEYS
        assert 0 < result["min"] <= result["images_per_s"] <= result["max"]
        assert result["peak_mb"] is None or result["peak_mb"] > 0
    lines = out.splitlines()
    assert f"torch {torch.__version__}, 1 thread(s)" in lines[0]
    assert lines[1].split()[-2:] == ["/", "raw_eager"]
    assert len(lines) == 2 + len(results) + 2
    assert "left out: raw_captured (only a CUDA device captures steps)" in lines
    assert {path.name for path in (shell.folder / "speed").iterdir()} == {"benchmark.json", "log.txt"}


def test_threads_are_changed_for_a_while():
    before = torch.get_num_threads()
    with threads(before + 2):
        assert torch.get_num_threads() == before + 2
    assert torch.get_num_threads() == before
    with threads(None):
        assert torch.get_num_threads() == before


@pytest.mark.slow
def test_profile_and_scaling_come_after_it(shell, monkeypatch):
    from elbolab.benchmark import profiling, scaling

    monkeypatch.setattr(profiling, "STEPS", 2)
    monkeypatch.setattr(scaling, "BATCH", 4)
    axes = {"batch": (2, 4)}
    scale = scaling.scale
    monkeypatch.setattr(scaling, "scale", lambda options: scale(options, axes))
    out = shell("benchmark", *TINY, "nll=null", "implementations=[elbolab]", "out=s", "profile=true", "scaling=true")
    points = json.loads((shell.folder / "s" / "scaling.json").read_text())
    assert [p["axis"] for p in points] == ["batch"] * 2 + ["steps"] * 4
    assert out.index("benchmark.json") < out.index("aten::addmm") < out.index("scaling.json")


BAD = {
    "an unknown implementation": (["implementations=[elbolabb]"], "there is no 'elbolabb'; choose from raw_eager"),
    "an unknown model": (["models=[cnn]"], "there is no 'cnn'; choose from mlp, conv"),
    "a misspelt key": (["repeat=3"], "did you mean 'repeats'"),
    "a key that nothing reads": (["+speed=3"], "nothing reads 'speed'"),
    "a batch larger than the data": (["models=[mlp]", "batches.mlp=[50001]"], "there are only 50000 images"),
    "nobody who can": (["implementations=[raw_captured]"], "none can run here"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_one_clear_message(name, shell):
    args, message = BAD[name]
    err = shell("benchmark", "device=cpu", *args, fails=True)
    assert message in err
    assert err.count("error:") == 1
    assert "Traceback" not in err
    assert not list(shell.folder.iterdir()), "nothing that looks like a result"


def test_completion_knows_its_keys():
    from elbolab.cli.completion import completions

    assert completions("elbolab bench") == ["benchmark "]
    assert {"models=", "quick=", "repeats="} <= set(completions("elbolab benchmark "))
    assert completions("elbolab benchmark nll.") == ["nll.num_samples=", "nll.images="]
