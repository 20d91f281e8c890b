from types import SimpleNamespace

from elbolab.callbacks.begin import Begin


def test_a_run_begins_once_with_its_first_block_and_on_the_first_rank():
    written = []
    begin = Begin(lambda: written.append(1))
    assert not written
    begin.on_train_batch_end(SimpleNamespace(is_global_zero=False), None)
    assert not written
    for _ in range(2):
        begin.on_train_batch_end(SimpleNamespace(is_global_zero=True), None)
    begin.write_once(SimpleNamespace(is_global_zero=True))
    assert written == [1]
