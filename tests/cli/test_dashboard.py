import json

import pytest

from elbolab.cli.dashboard import as_json, push, workspace

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic V1 style")  # of wandb-workspaces


def panels(text):
    sections = json.loads(text)["spec"]["section"]["panelBankConfig"]["sections"]
    return {section["name"]: section["panels"] for section in sections}


def test_a_workspace_has_what_one_looks_for():
    text = as_json(workspace("elbolab", "me", ["model.beta", "seed"], "val/elbo", "digits_vae sweep"))
    found = panels(text)
    assert list(found) == ["Rate and distortion", "Curves by variant", "Sweep", "Pictures"]
    plane = found["Rate and distortion"][0]["config"]
    assert (plane["xAxis"], plane["yAxis"]) == ("summary:test.rate", "summary:test.distortion")
    curve = found["Curves by variant"][0]["config"]
    assert curve["metrics"] == ["val/elbo"]
    assert curve["groupBy"] == "model.value._target_"
    assert curve["xAxis"] == "trainer/global_step"
    columns = found["Sweep"][0]["config"]["columns"]
    assert [column["accessor"] for column in columns] == [
        "config:model.value.beta",
        "config:seed.value",
        "summary:best.elbo",
    ]
    keys = [panel["config"].get("mediaKeys") for panel in found["Pictures"]]
    assert ["figures/samples"] in keys
    assert "digits_vae sweep" in text


def test_it_loads_back_as_it_was():
    from wandb_workspaces.workspaces import Workspace

    built = workspace("elbolab", "me", ["model.beta", "seed"], "val/elbo", "digits_vae sweep")
    model = built._to_model()
    read = type(model).model_validate_json(as_json(built))
    assert read == model
    assert [section.name for section in Workspace._from_model(read).sections] == list(panels(as_json(built)))


def test_the_command_writes_json_without_an_account(shell):
    out = shell("dashboard", "project=mine", "parameters=[model.beta]", "out=board.json")
    assert "board.json: the workspace as JSON" in out
    written = json.loads((shell.folder / "board.json").read_text())
    assert written["project"] == "mine"


def test_nobody_is_logged_in(monkeypatch, tmp_path):
    from elbolab.loggers.wandb_server import forget

    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr("elbolab.cli.dashboard.reach", lambda url: None)
    forget()
    with pytest.raises(ValueError, match=r"nobody is logged in \(wandb login.*out=FILE writes it as JSON"):
        push(workspace("elbolab", None, [], "val/elbo"))
    forget()


def test_no_server(monkeypatch):
    def dead(url):
        raise ConnectionError(f"{url} does not answer")

    monkeypatch.setattr("elbolab.cli.dashboard.reach", dead)
    with pytest.raises(ValueError, match="did not get the workspace: .* does not answer"):
        push(workspace("elbolab", None, [], "val/elbo"))


def test_without_the_extra_it_is_named(shell, monkeypatch):
    monkeypatch.setattr("elbolab.cli.dashboard.find_spec", lambda name: None)
    assert "pip install 'elbolab[dashboard]'" in shell("dashboard", fails=True)


def test_a_misspelt_key_names_its_nearest(shell):
    assert "did you mean 'project'" in shell("dashboard", "projct=a", fails=True)
