import pytest

from elbolab.config.arguments import put_flags_first, quote, quote_values, unquote


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a=1", "-m", "b=1,2"], ["-m", "a=1", "b=1,2"]),
        (["a=1", "--config-dir", "x=y", "b=2"], ["--config-dir", "x=y", "a=1", "b=2"]),
        (["~a", "--cfg", "job", "+b=1"], ["--cfg", "job", "~a", "+b=1"]),
        (["--config-dir=.", "-m", "a=1"], ["--config-dir=.", "-m", "a=1"]),
    ],
)
def test_overrides_may_stand_before_flags(given, expected):
    assert put_flags_first(given) == expected


def test_a_flag_behind_overrides_is_understood(shell):
    assert "max_steps: 7" in shell("train", "trainer.max_steps=7", "--cfg", "job", "seed=3")


def test_paths_are_quoted_once():
    given = ["run=a=b", "resume='c,d'", "seed=1", "resume=null"]
    assert quote_values(given) == ["run='a=b'", *given[1:]]
    assert unquote("'c,d'") == "c,d"
    assert quote("it's") == "'it\\'s'"
