"""cpu_count: the quota of control groups, from files as Linux shows them."""

import os

import pytest

import allcores
from allcores import _cpus


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Writes /proc/self/cgroup and files below /sys/fs/cgroup; cpu_count() sees them."""
    process, mounted = tmp_path / "self", tmp_path / "cgroup"
    process.mkdir()
    mounted.mkdir()
    quotas = _cpus._quotas
    monkeypatch.setattr(_cpus, "_quotas", lambda *_: quotas(str(process), str(mounted)))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))

    def write(groups, files=()):
        (process / "cgroup").write_text(groups)
        for name, text in dict(files).items():
            path = mounted / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 16),
        ("100000 100000", 1),
        ("150000 100000", 2),  # rounded up
        ("10000 100000", 1),
        ("400000 100000", 4),
        ("50000 10000", 5),
        ("9900000 100000", 16),  # more than there are
        ("", 16),
        ("nonsense", 16),
        ("100000 0", 16),
    ],
)
def test_version_2(machine, quota, expected):
    machine("0::/user/session\n", files={"user/session/cpu.max": f"{quota}\n"})
    assert allcores.cpu_count() == expected


def test_the_smallest_of_a_group_and_those_above_counts(machine):
    machine(
        "0::/a/b/c\n",
        files={
            "a/b/c/cpu.max": "max 100000\n",
            "a/b/cpu.max": "300000 100000\n",
            "a/cpu.max": "500000 100000\n",
            "z/cpu.max": "100000 100000\n",  # another's
        },
    )
    assert allcores.cpu_count() == 3


def test_in_a_container_the_root_is_its_own_group(machine):
    machine("0::/\n", files={"cpu.max": "200000 100000\n"})
    assert allcores.cpu_count() == 2


def test_in_a_container_that_sees_the_hosts_path(machine):
    machine("0::/docker/0123abcd\n", files={"cpu.max": "200000 100000\n"})
    assert allcores.cpu_count() == 2


def test_version_1(machine):
    machine(
        "5:memory:/x\n4:cpu,cpuacct:/x\n1:name=systemd:/x\n",
        files={
            "cpu,cpuacct/x/cpu.cfs_quota_us": "250000\n",
            "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "memory/x/cpu.cfs_quota_us": "100000\n",
            "memory/x/cpu.cfs_period_us": "100000\n",
        },
    )
    assert allcores.cpu_count() == 3


def test_version_1_and_2_side_by_side(machine):
    machine(
        "1:cpu:/y\n0::/y\n",
        files={
            "unified/y/cpu.max": "600000 100000\n",
            "cpu/y/cpu.cfs_quota_us": "500000\n",
            "cpu/y/cpu.cfs_period_us": "100000\n",
        },
    )
    assert allcores.cpu_count() == 5


def test_without_control_groups(machine):
    assert allcores.cpu_count() == 16  # no file at all
    machine("")
    assert allcores.cpu_count() == 16


def test_the_affinity_mask_counts(machine, monkeypatch):
    machine("0::/\n", files={"cpu.max": "800000 100000\n"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert allcores.cpu_count() == 2
