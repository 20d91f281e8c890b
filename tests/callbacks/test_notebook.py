"""The bar in a notebook: one output, drawn over. Neither IPython nor a kernel is needed, but for the last test."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from tests.shell import QUICK, SRC

from elbolab.callbacks.notebook import NotebookLine, in_notebook
from elbolab.callbacks.progress import Progress


class Kernel:
    """What an interactive shell of ipykernel is to us."""


@pytest.fixture
def cell(monkeypatch):
    """The outputs of a cell, each with all that it has shown."""
    outputs = []

    def display(bundle, *, raw, display_id):
        assert raw
        assert display_id
        shown = [bundle["text/plain"]]
        outputs.append(shown)
        return SimpleNamespace(update=lambda bundle, *, raw: shown.append(bundle["text/plain"]))

    modules = {"IPython": {"get_ipython": Kernel}, "IPython.display": {"display": display}}
    modules |= {"ipykernel": {}, "ipykernel.zmqshell": {"ZMQInteractiveShell": Kernel}}
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return outputs


def test_a_line_takes_the_place_of_the_one_before(cell):
    line = NotebookLine()
    for text in ("\r1/3", "\r2/3", "", "\r3", "/3", "\n"):
        line.write(text)
        line.flush()
    assert cell == [["1/3", "2/3", "3", "3/3"]]


def test_a_shell_without_a_kernel_is_no_notebook(cell, monkeypatch):
    assert in_notebook()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    assert not in_notebook()


def test_a_process_without_ipykernel_is_no_notebook():
    assert not in_notebook()


def test_a_run_is_one_output(cell, run, capsys):
    run.fit(Progress(refresh_seconds=0), loggers=[], enable_progress_bar=True)
    (shown,) = cell
    assert shown[0].startswith("epoch 1/2   0%|")
    assert "20/20" in shown[-1]
    assert "val elbo 20.50" in shown[-1]
    assert {len(line) for line in shown} <= set(range(121))
    assert capsys.readouterr().err == ""


STOPPED = """
import signal
from lightning.pytorch import Callback

class Raise(Callback):
    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            signal.raise_signal(signal.SIGINT)

try:
    elbolab.train(*words, "+callbacks.raise={_target_: __main__.Raise}", "hydra.run.dir=stopped")
except KeyboardInterrupt as stop:
    print(stop)
"""


def test_in_a_real_kernel_a_run_is_one_output_and_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch):
    """A kernel hides `exit`, which Lightning calls after Ctrl-C."""
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", str(SRC))
    words = [*QUICK, "scale=smoke", "trainer.max_epochs=1"]
    cells = ["import elbolab", f"words = {words}", "elbolab.train(*words, 'hydra.run.dir=run').spec.x", STOPPED]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = notebook.cells[2].outputs
    bars = [output.data["text/plain"] for output in outputs if output.output_type == "display_data"]
    assert len(bars) == 1
    assert "11/11" in bars[0]
    (result,) = [output.data["text/plain"] for output in outputs if output.output_type == "execute_result"]
    assert result == "(1, 8, 8)"
    said = "".join(output.text for output in notebook.cells[3].outputs if output.get("name") == "stdout")
    assert said == f'interrupted; go on with: elbolab.train("resume={tmp_path / "stopped"}")\n'
