import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from elbolab.loggers.board import Results
from elbolab.loggers.csv_logger import InStep
from elbolab.loggers.tensorboard import TensorBoard


def events(folder):
    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return found


@pytest.fixture
def board(tmp_path):
    board = TensorBoard(tmp_path)
    board.begin({})
    return board


def test_everything_of_a_run_is_there(run, board, tmp_path):
    board.log_hyperparams({"model": {"beta": 4.0, "name": "vae"}, "seed": 1, "none": None})
    run.fit(InStep(), loggers=[board], max_epochs=1)
    Image.new("RGB", (3, 2), (255, 0, 0)).save(tmp_path / "samples.png")
    board.heat("val/kl_per_dim", np.array([0.5, 2.0, 1.0]), 9)
    board.conclude(Results(9, {"test/nll": 95.5, "test/nll_stderr": 0.25}, [tmp_path / "samples.png"], {}))
    assert board.close(failed=False) == [f"TensorBoard: tensorboard --logdir {tmp_path / 'tensorboard'}"]
    found = events(tmp_path)
    assert [(point.step, point.value) for point in found.Scalars("val/elbo")] == [(9, 10.5)]
    assert [point.value for name in ("test/nll", "test/nll_stderr") for point in found.Scalars(name)] == [95.5, 0.25]
    (image,) = found.Images("figures/samples")
    assert (image.step, image.width, image.height) == (9, 3, 2)
    (heat,) = found.Histograms("val/kl_per_dim")
    assert heat.histogram_value.bucket == [0.5, 2.0, 1.0]
    assert heat.histogram_value.bucket_limit == [1.0, 2.0, 3.0]
    assert (heat.histogram_value.num, heat.histogram_value.sum) == (3.5, 4.0)  # of the indices, each as often as its KL
    assert heat.histogram_value.sum_squares == 2 * 1**2 + 1 * 2**2
    assert hyperparameters(found) == {"model.beta": 4.0, "model.name": "vae", "seed": 1.0, "none": "None"}


def hyperparameters(found):
    from tensorboard.plugins.hparams import metadata

    content = found.PluginTagToContent("hparams")[metadata.SESSION_START_INFO_TAG]
    params = metadata.parse_session_start_info_plugin_data(content).hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in params.items()}


def test_a_resumed_run_writes_over_what_comes_again(board, tmp_path):
    """Killed after step 19 was logged, resumed from a checkpoint at step 10."""
    for step, value in ((9, 1.0), (19, 2.0)):
        board.log_metrics({"val/elbo": value}, step)
    board.flush()
    again = TensorBoard(tmp_path)
    again.begin({})
    again.rewind(10)
    for step, value in ((19, 3.0), (29, 4.0)):
        again.log_metrics({"val/elbo": value}, step)
    again.close(failed=False)
    assert [(point.step, point.value) for point in events(tmp_path).Scalars("val/elbo")] == [(9, 1), (19, 3), (29, 4)]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(ValueError, match=r"logger\.tensorboard\.save_dir="):
        TensorBoard(tmp_path).begin({})
