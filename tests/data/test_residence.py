"""Where data are kept."""

import numpy as np
import pytest
import torch

from elbolab.data import stream as residence
from elbolab.data.splits import Arrays
from elbolab.data.stream import SHARE, free_memory, is_resident

CPU = torch.device("cpu")


def mapped(tmp_path) -> Arrays:
    np.save(tmp_path / "x.npy", np.zeros((10, 8)))
    return Arrays(np.load(tmp_path / "x.npy", mmap_mode="r"))


@pytest.mark.parametrize("wish", [True, False])
def test_the_users_wish_counts(wish):
    assert is_resident(Arrays(np.zeros((1, 1))), CPU, wish) is wish


def test_what_is_in_ram_stays_there(monkeypatch):
    monkeypatch.setattr(residence, "free_memory", lambda device: 0)
    assert is_resident(Arrays(np.zeros((1, 1))), CPU, "auto")


@pytest.mark.parametrize(("spare", "expected"), [(0, True), (-1, False)])
def test_what_is_on_disk_must_fit_with_a_margin(tmp_path, monkeypatch, spare, expected):
    monkeypatch.setattr(residence, "free_memory", lambda device: int(640 / SHARE) + spare)
    assert is_resident(mapped(tmp_path), CPU, "auto") is expected


def test_a_device_must_have_room(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (15, 100))
    assert free_memory(torch.device("cuda", 0)) == 15
    assert not is_resident(Arrays(np.zeros((1, 1))), torch.device("cuda", 0), "auto")
    assert is_resident(Arrays(np.zeros((1, 1), np.uint8)), torch.device("cuda", 0), "auto")


def test_free_memory_is_some_and_no_more_than_the_machine_has(monkeypatch, tmp_path):
    whole = residence.os.sysconf("SC_PAGE_SIZE") * residence.os.sysconf("SC_PHYS_PAGES")
    assert 0 < free_memory(CPU) <= whole
    monkeypatch.setattr(residence, "MEMINFO", tmp_path / "absent")
    assert free_memory(CPU) == whole


def test_a_systems_free_memory_is_in_units_of_1024_bytes(tmp_path, monkeypatch):
    """As Linux writes it (man 5 proc), under the name of kB."""
    (tmp_path / "meminfo").write_text("MemTotal:  9000 kB\nMemFree:  10 kB\nMemAvailable:  3000 kB\n")
    monkeypatch.setattr(residence, "MEMINFO", tmp_path / "meminfo")
    assert free_memory(CPU) == 3000 * 1024
