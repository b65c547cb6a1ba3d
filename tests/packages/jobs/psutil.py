"""What it says about this process and this machine."""

import os

import psutil


def work() -> object:
    for _ in range(20):
        process = psutil.Process()
        assert process.pid == os.getpid() and process.memory_info().rss > 0
        assert psutil.cpu_times().user >= 0 and psutil.virtual_memory().total > 0
        assert len(process.threads()) >= 1 and process.open_files() is not None
    try:
        psutil.Process(2**22 + 1)
    except psutil.NoSuchProcess:
        return psutil.cpu_count(), psutil.pid_exists(os.getpid())
    raise AssertionError("there is no such process")
