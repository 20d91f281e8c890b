import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from tests.config.small_conf import small_conf, users_own

from elbolab.common.refusal import Refusal, change, choose
from elbolab.config.errors import explain, report
from elbolab.config.suggest import check_added


@pytest.fixture
def conf(tmp_path):
    return small_conf(tmp_path)


@pytest.fixture
def users_conf(tmp_path):
    return users_own(tmp_path)


def message(conf, *overrides, argv=None, dirs=()):
    """What the user of ``elbolab train OVERRIDES`` reads."""
    try:
        with initialize_config_dir(str(conf), version_base="1.3"):
            instantiate(compose("train", list(overrides)).data, _convert_="all")
    except Exception as error:
        return explain(error, [conf, *dirs], ["train", *(argv or overrides)])
    return "no error"


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("modle=vae", "no 'modle'; did you mean 'model'?"),
        ("model=vea", "model has no option 'vea'; did you mean 'vae'"),
        ("data=digit", "data has no option 'digit'; did you mean 'digits'?"),
        ("data=zzzz", "data has no option 'zzzz'; the options are digits, own"),
        ("experiment=burda2016/vae", "no option 'burda2016/vae'; did you mean 'burda2016/vae_reduced'?"),
        ("experment=burda2016/vae_reduced", "no 'experment'; did you mean 'experiment'?"),
        ("data.batch_sizee=10", "no 'data.batch_sizee'; did you mean 'data.batch_size'?"),
        ("batch_size=10", "no 'batch_size'; did you mean 'data.batch_size'?"),
        ("densities.prior.scal=2", "no 'densities.prior.scal'; did you mean 'densities.prior.scale'?"),
        ("model.optimizer.l=1", "no 'model.optimizer.l'; did you mean 'model.optimizer.lr'?"),
        ("lr=1", "no 'lr'; did you mean 'model.optimizer.lr'?"),
        ("sed=1", "no 'sed'; did you mean 'seed'?"),
        ("data.batch_size.x=1", "no 'data.batch_size.x'; did you mean 'data.batch_size'?"),
        ("data.zzz=1", "no 'data.zzz'; the keys there are _target_, batch_size, root"),
        ("~modle", "no 'modle'; did you mean 'mode' or 'model'"),
        ("model@modle=vae", "no 'model@modle'; did you mean 'model'"),
        ("model.beta=1", "no 'model.beta' as composed: it is a key of model=beta_vae"),
        ("model.bta=1", "no 'model.bta'; did you mean 'model.beta', a key of model=beta_vae?"),
        ("net@model.num_samples=mlp", "no 'net@model.num_samples' yet: add it with a plus, +net@model.num_samples=mlp"),
        ("net@model.num_sample=mlp", "no 'model.num_sample'; did you mean 'model.num_samples'?"),
        ("beta=1", "no 'beta' as composed: it is a key of model=beta_vae"),
        ("net.channels=[1]", "no 'net.channels' as composed: it is a key of net=conv"),
        ("seed=[1", "'seed=[1' cannot be read: no viable alternative"),
        ("model", "'model' cannot be read"),
        ("corruption=maskin", "type prior=noisy corruption@densities.prior.corruption=masking"),
        ("prior=null", "prior=null chooses nothing: choose one of noisy, normal"),
        (
            "data.batch_size=1,2",
            "several values are a sweep, elbolab train -m data.batch_size=1,2; a list has brackets",
        ),
        ("data=own", "data.path must be given: add data.path=... to the command"),
        ("data.root=${nothing}", "Interpolation key 'nothing' not found"),
        ("data._target_=elbolab.nope.Data", "data: there is no elbolab.nope.Data"),
        ("data._target_=nope", "data: there is no nope"),
    ],
)
def test_a_mistake_on_the_command_line_names_what_was_meant(conf, override, near):
    text = message(conf, override)
    assert near in text
    assert "Traceback" not in text
    assert len(text.splitlines()) <= 4


def test_an_experiment_that_sets_what_other_data_do_not_take(conf):
    (conf / "data" / "digits.yaml").write_text("_target_: fractions.Fraction\nnumerator: 1\n")
    (conf / "experiment" / "split.yaml").write_text("# @package _global_\n# mine\ndata: {split: burda}\n")
    assert message(conf, "experiment=split", "data=digits").endswith(
        "the experiment sets data.split, which data=digits does not take: leave out one of them, or add ~data.split"
    )


def test_a_second_mistake_does_not_hide_the_first(conf):
    assert "did you mean 'data.batch_size'?" in message(conf, "data.batch_sizee=1", "modle=vae")


def test_keys_are_those_of_the_choices_on_the_command_line(conf):
    assert "did you mean 'model.beta'?" in message(conf, "model=beta_vae", "model.bta=1")


def test_a_users_options_are_offered(conf, users_conf):
    text = message(conf, "model=mien", dirs=[users_conf])
    assert "did you mean 'mine'" in text


def test_an_option_in_this_folder_is_found_with_a_flag(conf, users_conf, monkeypatch):
    monkeypatch.chdir(users_conf)
    assert "no option 'mine'; add --config-dir=. for model/mine.yaml" in message(conf, "model=mine")


def test_a_users_keys_are_offered(conf, users_conf):
    path = f"hydra.searchpath=[file://{users_conf}]"
    text = message(conf, path, "model=mine", "model.gama=1", argv=["model=mine", "model.gama=1"], dirs=[users_conf])
    assert "did you mean 'model.gamma'?" in text


def test_a_file_that_asks_for_a_missing_option_is_named(conf):
    (conf / "model" / "bad.yaml").write_text("# @package _global_\ndefaults: [vea]\n")
    assert "model has no option 'vea' (asked for in model/bad); did you mean 'vae'" in message(conf, "model=bad")


def test_an_added_key_that_a_class_does_not_take(conf):
    (conf / "data" / "digits.yaml").write_text("_target_: fractions.Fraction\nnumerator: 1\n")
    text = message(conf, "+data.numeratr=10")
    assert (
        "data: Fraction.__new__() got an unexpected keyword argument 'numeratr'; did you mean 'data.numerator'" in text
    )


def test_a_key_of_a_file_that_a_class_does_not_take_is_not_its_own_mend(conf):
    (conf / "data" / "digits.yaml").write_text("_target_: fractions.Fraction\nnumeratr: 1\n")
    assert message(conf).endswith("unexpected keyword argument 'numeratr'")


def test_an_unexpected_argument_of_a_recipe(conf):
    error = TypeError("MLP.__init__() got an unexpected keyword argument 'hiden'")
    assert explain(error, [conf], ["train"]).endswith("'hiden'; did you mean 'net.hidden'?")


def test_an_error_of_a_class_is_its_message(conf):
    (conf / "data" / "digits.yaml").write_text("_target_: fractions.Fraction\nnumerator: x\n")
    assert message(conf) == "Invalid literal for Fraction: 'x'"


def test_a_refusal_of_a_class_names_the_ways_out(conf, monkeypatch):
    """Also where the class is built within another one."""

    def refuse(**others):
        raise Refusal("no such numbers", choose("data", "mnist"), change("data.numerator", 1, 2))

    monkeypatch.setattr("fractions.refuse", refuse, raising=False)
    sentence = "no such numbers: choose data=mnist, or set data.numerator=1 or 2"
    (conf / "data" / "digits.yaml").write_text("_target_: fractions.refuse\nnumerator: 3\n")
    assert message(conf) == sentence
    (conf / "data" / "digits.yaml").write_text(
        "_target_: fractions.Fraction\nnumerator: {_target_: fractions.refuse}\n"
    )
    assert message(conf) == sentence


def test_an_unforeseen_error_of_a_class_says_where(conf):
    (conf / "data" / "digits.yaml").write_text("_target_: fractions.Fraction\nnumerator: []\n")
    assert message(conf).startswith("data: TypeError: ")
    assert message(conf).endswith("(-v shows where)")


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("+sede=1", "'+sede=1': nothing reads 'sede'; did you mean 'seed'"),
        ("++sede.a=1", "'++sede.a=1': nothing reads 'sede'; did you mean 'seed'"),
        ("+modle=vae", "did you mean 'mode' or 'model'"),
        ("+zzzz=1", "nothing reads 'zzzz'$"),
    ],
)
def test_an_added_key_that_nothing_reads(conf, override, near):
    with pytest.raises(ValueError, match=near.replace("+", r"\+").replace("?", r"\?")):
        check_added([override], [conf])


def test_added_keys_that_something_may_read(conf):
    fine = ["+data.x=1", "++seed=1", "+model@model.beta=vae", "+experiment=a", "sede=1", "~seed", "+hydra.x=1"]
    check_added(fine, [conf])


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("say how"), "error: say how\n"),
        (FileNotFoundError(2, "No such file", "x.npz"), "error: [Errno 2] No such file: 'x.npz'\n"),
        (RuntimeError("odd"), "error: RuntimeError: odd (-v shows where)\n"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), "error: CUDA out of memory. Choose"),
    ],
)
def test_report_is_one_message(capsys, error, text):
    assert report(error, verbose=False, argv=["train"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(text)
    assert len(err.splitlines()) == 1


def test_verbose_shows_the_traceback(capsys):
    assert report(ValueError("say how"), verbose=True, argv=["train"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("ValueError: say how")
    assert err.endswith("error: say how\n")


def test_ctrl_c_has_the_code_of_shells(capsys):
    lightnings = SystemExit(1)
    lightnings.__context__ = KeyboardInterrupt()
    for error in (KeyboardInterrupt(), lightnings):
        assert report(error, verbose=False, argv=["train"]) == 130
    assert capsys.readouterr().err.count("interrupted") == 2


@pytest.mark.parametrize(("code", "exit_code"), [(None, 0), (3, 3), ("words", 1)])
def test_other_exits_keep_their_code(code, exit_code, capsys):
    assert report(SystemExit(code), verbose=False, argv=["train"]) == exit_code
