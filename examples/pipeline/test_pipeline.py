"""The pipeline as its users start it: the result in order, and failures in every step."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FOLDER), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def articles(path: Path, count: int) -> Path:
    lines = [
        json.dumps({"title": f"article {i}", "text": f"one two one three {i % 7} one two"})
        for i in range(count)
    ]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.parametrize("count", [0, 1, 5000])
@pytest.mark.parametrize("workers", ["1", "3"])
def test_all_lines_in_order(tmp_path: Path, count: int, workers: str) -> None:
    target = tmp_path / "out"
    done = run(str(articles(tmp_path / "in", count)), str(target), "--workers", workers)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{count:,} lines\n", "")
    found = [json.loads(line) for line in target.read_text().splitlines()]
    assert [each["title"] for each in found] == [f"article {i}" for i in range(count)]
    assert all(each["words"] == 7 for each in found)
    assert all(each["frequent"][:2] == [["one", 3], ["two", 2]] for each in found)


def test_what_fails_ends_all_steps(tmp_path: Path) -> None:
    source = articles(tmp_path / "in", 5000)
    target = str(tmp_path / "out")
    missing = run(str(tmp_path / "none"), target, "--workers", "2")
    assert missing.returncode == 1
    assert "FileNotFoundError" in missing.stderr
    unwritable = run(str(source), str(tmp_path / "none" / "out"), "--workers", "2")
    assert unwritable.returncode == 1
    assert "FileNotFoundError" in unwritable.stderr
    with source.open("a") as more:
        more.write('{"title": "no text"}\n')
    broken = run(str(source), target, "--workers", "2")
    assert broken.returncode == 1
    assert "KeyError: 'text'" in broken.stderr
