"""What tests remember of Hydra (tests/composed_once.py) is what Hydra would compose."""

from hydra import compose


def seed_of(folder):
    return compose("train", [f"hydra.searchpath=[file://{folder}]", "experiment=own"]).seed


def test_a_file_that_has_changed_is_read_again(loader, tmp_path):
    (tmp_path / "experiment").mkdir()
    for seed in (3, 14):
        (tmp_path / "experiment" / "own.yaml").write_text(f"# @package _global_\nseed: {seed}\n")
        assert [seed_of(tmp_path), seed_of(tmp_path)] == [seed, seed]


def test_what_is_done_to_a_configuration_is_not_remembered(loader, tmp_path, monkeypatch):
    first = compose("train", return_hydra_config=True)
    first.seed += 1
    first.hydra.job.name = "another"
    monkeypatch.chdir(tmp_path)
    again = compose("train", return_hydra_config=True)
    assert again.seed == first.seed - 1
    assert again.hydra.job.name != "another"
    assert again.hydra.runtime.cwd == str(tmp_path)
