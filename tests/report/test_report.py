"""`elbolab report`: what the page holds, what it copes with, what it refuses. How it behaves: test_report_browser."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.runs.fake_runs import curves, make_run, make_sweep, quantity, report_of

from elbolab.report import print_report
from elbolab.report.charts import POINTS, charts_of
from elbolab.report.page import page_of, policy
from elbolab.report.rows import columns_of, configurations
from elbolab.report.settings import MOST_COLUMNS, configuration, environments
from elbolab.report.table import table_of
from elbolab.runs.gather import read_entries


class Parsed(HTMLParser):
    """Tags with their attributes, and the text of each table cell and script."""

    VOID = ("meta", "link", "img", "input", "br")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(text)
        assert self.open == [], self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    def text(self, tag):
        return [text for name, text in self.texts if name == tag and text]


def page(*folders, figures=24):
    return page_of(read_entries(folders), title="a title", figures=figures)


def alts(parsed):
    """The figures' sizes by their alternative texts; the image of the enlargement is empty."""
    return {image["alt"]: (image["width"], image["height"]) for image in parsed.all("img") if image["alt"]}


def charts(parsed, kind):
    return [figure["data-key"] for figure in parsed.all("figure") if figure.get("data-kind") == kind]


def data_of(folder):
    return charts_of(configurations(read_entries([folder])))


@pytest.fixture
def sweep(tmp_path):
    return make_sweep(tmp_path / "sweep")


def test_the_page_holds_everything_of_a_sweep(sweep):
    parsed = Parsed(page(sweep))
    assert {"Numbers", "Errors", "Curves", "Figures", "Configuration", "Environment"} <= set(parsed.text("h2"))
    assert "training diverged at step 7" in parsed.text("dd")
    assert "elbolab train -m model.beta=1,4 seed=0,1" in parsed.text("code")
    assert {"model.beta"} <= set(parsed.text("th"))
    assert {"2.15.0", "x86_64"} <= set(parsed.text("dd"))
    assert len(parsed.all("img")) == 4 * 2 + 1  # the last is that of the enlargement
    assert {"samples of beta=1, seed=0", "traversals of beta=4, seed=1"} <= {
        image["alt"] for image in parsed.all("img")
    }
    states = [text for tag, text in parsed.texts if tag == "span" and text in ("finished", "failed", "waiting")]
    assert {state: states.count(state) for state in states} == {"finished": 4, "failed": 2, "waiting": 1}


def test_the_command_can_be_typed_again(sweep):
    typed = ["-m", "model.beta=interval(1, 4)", "hydra/sweeper=optuna"]
    (sweep / "sweep.json").write_text(json.dumps(json.loads((sweep / "sweep.json").read_text()) | {"command": typed}))
    assert "elbolab train -m 'model.beta=interval(1, 4)' hydra/sweeper=optuna" in Parsed(page(sweep)).text("code")


def test_means_over_seeds_with_the_best_marked(sweep):
    text = page(sweep)
    means = text[: text.index('data-table="runs"')]
    cells = re.findall(r'<td data-s="test"( class="best")? data-v="(-?[\d.]+)">([^<]*)', means)
    assert cells[:4] == [
        (' class="best"', "-91.25", "\N{MINUS SIGN}91.25 ± 0.25"),
        ("", "20.0", "20"),
        ("", "71.25", "71.25 ± 0.25"),
        (' class="best"', "87.25", "87.25 ± 0.25"),
    ]
    assert 'aria-sort="none"' in means
    assert "<small>nats</small>" in means


def test_nothing_is_asked_of_a_network(sweep):
    text = page(sweep)
    parsed = Parsed(text)
    sources = [attrs[key] for _, attrs in parsed.tags for key in ("src", "href") if attrs.get(key)]
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert {url for url in re.findall(r"https?://[^\"' ]+", text)} == {"http://www.w3.org/2000/svg"}
    assert "@import" not in text
    assert "url(" not in text.replace("url(#${id})", "")


def test_the_policy_lets_one_script_run(sweep):
    text = page(sweep)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    (given,) = [attrs["content"] for attrs in Parsed(text).all("meta") if "http-equiv" in attrs]
    assert given == policy(script, style)
    assert "default-src 'none'" in given
    assert "unsafe" not in given


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'"


def test_text_cannot_break_out(tmp_path):
    """Of overrides, values, errors, quantities, commands and folders."""
    for num in range(2):
        report = report_of(**{f"a{EVIL}": quantity(1.0, unit=EVIL)})
        status = {"state": "failed", "error": EVIL, "monitor": EVIL}
        made = make_run(tmp_path / "<b>s" / str(num), overrides=[f"x={EVIL}{num}"], status=status, report=report)
        config = yaml.safe_load((made / "config.yaml").read_text())
        (made / "config.yaml").write_text(yaml.safe_dump(config | {EVIL: f"{EVIL}{num}"}))
        (made / "environment.json").write_text(json.dumps({EVIL: EVIL}))
        metrics = curves().replace("train/rate", '"train/' + EVIL.replace('"', '""') + '"')
        (made / "metrics.csv").write_text(metrics)
    text = page(tmp_path)
    parsed = Parsed(text)
    assert text.count("<script") == 2
    assert [attrs for attrs in parsed.all("img") if "onerror" in attrs] == []
    assert all(not key.startswith("on") for _, attrs in parsed.tags for key in attrs)
    assert EVIL in parsed.text("dd")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert data["runs"][0]["name"] == f"x={EVIL}0"


def test_values_that_are_no_numbers_are_gaps(tmp_path):
    metrics = curves().replace("-100.0,", "nan,").replace("-98.0,", "inf,")
    make_run(tmp_path / "0", metrics=metrics, status={"value": None})
    data = data_of(tmp_path)
    json.dumps(data, allow_nan=False)
    assert data["curves"][0]["values"]["elbo"][3:5] == [None, None]
    assert data["curves"][0]["steps"][:2] == [10, 20]
    assert data["curves"][1] | {"values": {}} == {"run": 0, "split": "val", "steps": [20, 40, 60, 80], "values": {}}


def test_a_torn_last_line_is_left_out(tmp_path):
    make_run(tmp_path / "0", metrics=curves(num=2) + "29,1,-5,")
    assert data_of(tmp_path)["curves"][0]["steps"] == [10, 20]


def test_runs_that_have_only_begun(tmp_path):
    make_run(tmp_path / "0", metrics="step,epoch\n", status={"state": "running", "ended": None, "value": None})
    (make_run(tmp_path / "1") / "metrics.csv").unlink()
    text = page(tmp_path)
    assert "Nothing has been measured yet." in text
    assert "Curves" not in Parsed(text).text("h2")


def test_runs_of_different_models_and_data(tmp_path):
    make_run(tmp_path / "0", report=report_of(-90.0))
    distances = {"test": {"mmd2": quantity(0.1, unit="squared distance"), "ks": quantity([0.1, 0.2], stderr=None)}}
    make_run(tmp_path / "1", model="AAE", report=distances, metrics="step,epoch,train/critic,val/mmd2\n9,0,0.5,0.1\n")
    make_run(tmp_path / "2", data="Digits", report=report_of(-20.0, dims=3))
    parsed = Parsed(page(tmp_path))
    assert {"MMD²", "elbo"} <= set(parsed.text("button"))
    assert charts(parsed, "plane") == ["0", "1"]
    assert {"VAE, data=MNIST", "AAE, data=MNIST", "VAE, data=Digits"} <= set(parsed.text("th"))
    captions = re.findall(r'<figcaption>(\w+) <span class="faint">([^<]+)</span>', page(tmp_path))
    assert {("elbo", "nats"), ("MMD²", "squared distance")} <= set(captions)
    assert {"critic", "elbo"} <= {
        chart["data-key"] for chart in parsed.all("figure") if chart.get("data-kind") == "curve"
    }


def test_a_single_run(tmp_path):
    parsed = Parsed(page(make_run(tmp_path / "0", report=report_of(), figures=["samples"])))
    assert "a_run" in parsed.text("th")
    assert "filter" not in [attrs.get("id") for attrs in parsed.all("input")]


def test_numbers_that_are_not_of_the_test_set_say_so(tmp_path):
    folder = make_run(tmp_path / "0", report={"val": report_of()["test"]})
    assert 'data-split="val" aria-pressed="true">val<' in page(folder)
    entries = read_entries([folder])
    assert "val elbo" in table_of(entries, columns_of(entries), None, mean=False)
    assert 'data-split="test" aria-pressed' not in page(make_run(tmp_path / "1", report=report_of()))


def test_a_page_of_two_hundred_runs_stays_small(tmp_path):
    values = np.random.default_rng(0).normal(size=(120, 8))
    lines = [f"{i},{i // 10}," + ",".join(map(repr, row)) for i, row in enumerate(values.tolist())]
    names = [f"{split}/{name}" for split in ("train", "val") for name in ("loss", "elbo", "rate", "distortion")]
    metrics = "\n".join([",".join(["step", "epoch", *names]), *lines]) + "\n"
    others = {f"quantity_{i}": quantity(1.0 + i) for i in range(12)}
    for num in range(200):
        report = {split: report_of(-90.0 - num)["test"] | others for split in ("val", "test")}
        make_run(tmp_path / str(num), metrics=metrics, report=report, beta=float(num // 5), seed=num % 5)
    data = data_of(tmp_path)
    assert len(page(tmp_path)) < 2e6
    assert data["thinned"]
    assert sum(len(curve["steps"]) * len(curve["values"]) for curve in data["curves"]) <= POINTS
    assert all(curve["steps"][-1] == 120 for curve in data["curves"])


def test_figures_are_of_every_configuration_first(tmp_path):
    sweep = make_sweep(tmp_path / "sweep", betas=(1, 2, 3), seeds=(0, 1), figures=("samples",))
    few = page(sweep, figures=3)
    assert [image["alt"] for image in Parsed(few).all("img")][:-1] == [
        f"samples of beta={b}, seed=0" for b in (1, 2, 3)
    ]
    assert "Of 3 of 6 runs with figures" in few
    assert "runs with figures" not in page(sweep, figures=6)  # the other two have none
    assert "Figures" not in Parsed(page(sweep, figures=0)).text("h2")


def test_wide_figures_are_made_smaller_and_broken_ones_left_out(tmp_path):
    made = make_run(tmp_path / "0", figures=["samples"])
    Image.new("RGB", (2700, 900)).save(made / "figures" / "wide.png")
    (made / "figures" / "broken.png").write_bytes(b"no image")
    sizes = {
        image["alt"]: (image["width"], image["height"]) for image in Parsed(page(made)).all("img") if "width" in image
    }
    assert sizes == {"samples of a_run": ("200", "120"), "wide of a_run": ("900", "300")}


def test_settings_have_a_column_each_or_are_counted(tmp_path):
    for num in range(MOST_COLUMNS + 1):
        make_run(tmp_path / str(num), beta=float(num % 13))
    rows = configurations(read_entries([tmp_path]))
    few, many = configuration(rows[:2]), configuration(rows)
    assert (few.columns, few.rows) == ([rows[0].name, rows[1].name], [("model.beta", ["0.0", "1.0"])])
    assert many.columns == []
    assert many.rows[0][1][-1] == "and 7 more"
    assert ("densities.latent_dim", "5") in many.shared
    assert ("packages.torch", "2.15.0") in environments([entry for row in rows for entry in row.entries]).shared


def test_what_a_search_drew_is_told_in_a_few_digits_and_sorts_as_numbers(tmp_path):
    """And a pruned trial is as finished as it will be."""
    for num, lr in enumerate(("0.011637963985807364", "0.0015078991177867969", "1e-05")):
        state = {"state": "pruned" if num else "finished", "value": -90.5 - num}
        make_run(tmp_path / str(num), overrides=[f"optimizer.lr={lr}", f"net={num}"], status=state, beta=float(num))
    text = page(tmp_path)
    cells = re.findall(r'<td class="left" data-v="([^"]+)">([^<]+)</td>', text)
    assert cells[::2] == [
        ("0.011637963985807364", "0.01164"),
        ("0.0015078991177867969", "0.001508"),
        ("1e-05", "1e-05"),
    ]
    assert "lr=0.01164, net=0" in Parsed(text).text("th")
    assert "write it again for the rest" not in text
    assert "best val/elbo" in Parsed(text).text("button")
    best = re.findall(r'<td data-v="(-9[\d.]+)">([^<]+)</td>', text)
    assert best == [(f"-{90.5 + num}", f"\N{MINUS SIGN}{90.5 + num}") for num in range(3)]


def test_numbers_that_few_digits_do_not_tell_apart_keep_all(tmp_path):
    for num, lr in enumerate(("0.011637963985807364", "0.011637963985807365")):
        make_run(tmp_path / str(num), overrides=[f"optimizer.lr={lr}"])
    assert [entry.name for entry in read_entries([tmp_path])] == ["lr=0.011637963985807364", "lr=0.011637963985807365"]


def test_the_command_writes_beside_the_runs(sweep, capsys, monkeypatch, tmp_path):
    print_report([str(sweep)])
    assert (sweep / "report.html").read_text().startswith("<!doctype html>")
    assert f"MB: {sweep / 'report.html'}" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    print_report([str(sweep / "0"), str(sweep / "1"), "out=two.html", "figures=0", "state=finished"])
    assert "2 runs, 0." in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["two.html"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["empty"], "empty holds no run"),
        (["sweep", "out=empty"], "out=empty is a directory: name a file in it, out=empty/report.html"),
        (["sweep", "out=no/where.html"], "out=no/where.html: there is no folder no"),
        (["sweep", "figures=many"], "figures=many: say how many"),
        (["sweep", "sort=nlll"], "no run has 'nlll'; did you mean 'test.nll'"),
        (["sweep", "outt=x.html"], "no run has 'outt'"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(sweep, tmp_path, monkeypatch, args, message):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        print_report(args)
    assert not list(tmp_path.rglob("*.html"))


def test_a_full_disk_leaves_the_page_as_it_was(sweep, monkeypatch):
    (sweep / "report.html").write_text("as it was")

    def full(path, text, **options):
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match="No space left"):
        print_report([str(sweep)])
    assert (sweep / "report.html").read_text() == "as it was"
    assert not list(sweep.glob(".report*"))


def test_the_command_line_tells_a_mistake_in_a_line(shell):
    make_run(shell.folder / "outputs" / "x", report=report_of())
    assert shell("report", "nowhere", fails=True) == (
        "error: nowhere does not exist: name run directories, or folders that hold some\n"
    )
    assert "1 run, 0." in shell("report")
