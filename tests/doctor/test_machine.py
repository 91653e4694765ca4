"""Checks of processors, accelerators and memory."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest
import torch

from frozenvl.doctor import machine


def test_more_threads_than_cores_is_a_warning(monkeypatch):
    monkeypatch.setattr("frozenvl.util.cores.available_cores", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    _, found = machine.processors()
    assert found.level == "warning" and found.remedy == "export OMP_NUM_THREADS=2"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert [found.level for found in machine.processors()] == ["ok"]


def test_without_a_gpu_runs_use_the_processor(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    (found,) = machine.accelerators()
    assert found.level == "note" and "processor" in found.text
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(machine.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    (found,) = machine.accelerators()
    assert found.level == "warning" and "CUDA 13.0" in found.text


@pytest.mark.parametrize(("has_nccl", "level"), [(True, "ok"), (False, "warning")])
def test_gpus_are_named_and_need_nccl_together(monkeypatch, has_nccl, level):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    card = SimpleNamespace(name="Card", total_memory=80 * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: card)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: has_nccl)
    monkeypatch.setattr(torch.cuda.nccl, "version", lambda: (2, 27, 5))
    *cards, last = machine.accelerators()
    assert [found.text for found in cards] == ["GPU 0: Card, 80 GB", "GPU 1: Card, 80 GB"]
    assert last.level == level and ("NCCL 2.27.5" in last.text) == has_nccl


@pytest.mark.parametrize("faster", ["bf16", "fp32"])
def test_the_faster_precision_is_told(monkeypatch, faster):
    monkeypatch.setattr("frozenvl.model.precision.faster_precision", lambda device: faster)
    (found,) = machine.precision()
    assert found.level == "ok" and found.text.startswith(f"{faster} is faster")


def test_little_memory_shared_memory_and_few_open_files_are_warnings(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**9, total=10**10))
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: SimpleNamespace(free=64_000_000))
    monkeypatch.setattr(machine.resource, "getrlimit", lambda kind: (256, 4096))
    found = list(machine.memory())
    assert {finding.level for finding in found} == {"warning"}
    assert found[-1].remedy == "ulimit -n 4096" and "1.0 GB of 10.0 GB" in found[0].text
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**10, total=10**10))
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**10))
    monkeypatch.setattr(machine.resource, "getrlimit", lambda kind: (-1, -1))
    assert {finding.level for finding in machine.memory()} == {"ok"}
