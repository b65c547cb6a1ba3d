"""The scripts at the root: ./py is Python, set-up works when it has to, nothing outlives a command.

Set-up is tested in a checkout of its own with stand-ins for Python, CMake and the compiler, which
count their calls and can be made to wait; the sandbox's maker with stand-ins for debootstrap,
chroot and apt.
"""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

# A signal that was ignored when a shell began stays ignored in it: nohup ./test would never see
# the end of a command that is to end by SIGHUP.
UNDER_NOHUP_TOO = ["env", "--default-signal=HUP"]

TOP = Path(__file__).resolve().parents[2]
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
ENVIRONMENT = os.environ | {"ALLCORES_PYTHON": VERSION}


def py(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run ./py of this checkout."""
    options = {"capture_output": True, "text": True, "env": ENVIRONMENT, "timeout": 60} | options
    return subprocess.run([str(TOP / "py"), *arguments], **options)  # type: ignore[call-overload,no-any-return]


# ---- ./py is Python


def test_arguments_and_standard_input_pass_through() -> None:
    code = "import sys; print(sys.argv[1:], sys.stdin.read())"
    done = py("-c", code, "a b", "", "*", "'", input="from stdin")
    assert done.stdout == "['a b', '', '*', \"'\"] from stdin\n"
    assert done.stderr == ""


def test_a_program_on_standard_input() -> None:
    assert py("-", "x", input="import sys; print(sys.argv)").stdout == "['-', 'x']\n"
    assert py(input="print(6 * 7)").stdout == "42\n"


def test_modules_files_and_folders_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "with a space"
    folder.mkdir()
    (folder / "a program.py").write_text(
        "import os, sys, allcores\nprint(os.getcwd(), sys.argv[0], allcores.__name__)\n"
    )
    expected = f"{folder} a program.py allcores\n"
    assert py("a program.py", cwd=folder).stdout == expected
    assert py("-m", "platform", cwd=folder).stdout.startswith("Linux")


def test_the_packages_of_the_tests_are_importable() -> None:
    assert py("-c", "import allcores, pytest, hypothesis, cloudpickle").returncode == 0


def test_exit_status_and_death_by_signal_are_pythons_own() -> None:
    assert py("-c", "raise SystemExit(7)").returncode == 7
    killed = py("-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    assert killed.returncode == -signal.SIGTERM


def test_signals_reach_python_itself() -> None:
    code = "import os\nprint(os.getpid(), flush=True)\nwhile True: os.sched_yield()"
    with subprocess.Popen(
        [TOP / "py", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        assert int(child.stdout.readline()) == child.pid
        child.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in child.stderr.read()
    assert child.returncode == -signal.SIGINT


@pytest.mark.parametrize("script", ["env.sh", "sandbox-enter"])
def test_ctrl_c_counts_when_the_child_of_that_moment_ends_well(script: str) -> None:
    # Bash goes on where the child did not die of the signal, and ./run would start all the same.
    text = (TOP / "tools" / script).read_text().splitlines()
    trap = next(line for line in text if line.startswith("trap "))
    done = subprocess.run(
        ["bash", "-c", f"{trap}\n(trap '' INT; kill -INT $$; exit 0)\necho went on"],
        capture_output=True,
        timeout=60,
        # What is ignored at the start can't be trapped.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stdout) == (-signal.SIGINT, b"")


def test_the_terminal_is_pythons_own() -> None:
    ours, theirs = pty.openpty()
    code = "import os, sys; print(sys.stdin.isatty(), os.ttyname(0) == os.ttyname(1))"
    with subprocess.Popen(
        [TOP / "py", "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=ENVIRONMENT
    ) as child:
        os.close(theirs)
        with open(ours) as terminal:
            answer = terminal.readline()
    assert answer.split() == ["True", "True"]
    assert child.returncode == 0


def test_a_python_that_is_too_old_is_refused() -> None:
    done = py("-c", "pass", env=ENVIRONMENT | {"ALLCORES_PYTHON": "3.12"})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "3.14 or later" in done.stderr


# ---- set-up, with stand-ins


class Checkout:
    """A checkout with the project's scripts and stand-ins for the programs that they start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.top = folder / "check out"
        self.programs = folder / "programs"
        self.calls = folder / "calls"
        self.gate = folder / "gate"
        shutil.copytree(TOP / "tools", self.top / "tools")
        shutil.copy(TOP / "py", self.top / "py")
        for name in ("CMakeLists.txt", "CMakePresets.json"):
            (self.top / name).write_text("{}")
        for name in ("src", "python/allcores"):
            (self.top / name).mkdir(parents=True)
        self.source = self.top / "src" / "one.cpp"
        self.source.write_text("1")
        self.programs.mkdir()
        self.program("g++", "exit 1")
        self.program("ccache", "exit 1")
        # A venv is a folder with this stand-in as its python; it prints what it is called with.
        self.program(
            "python3.14",
            """\
            case "$*" in
              -VV) echo "Python 3.14.0 (a stand-in)" ;;
              "-m venv "*)
                echo venv >>"$CALLS"
                mkdir -p "$3/bin" "$3/lib/python3.14/site-packages"
                cp "$0" "$3/bin/python" ;;
              "-m pip "*) echo pip >>"$CALLS" ;;
              *) echo "python $*" ;;
            esac
            """,
        )
        # Building waits at the gate, when there is one, having said its process id.
        self.program(
            "cmake",
            """\
            case "$*" in
              --preset*) echo configure >>"$CALLS"; mkdir -p "$6" ;;
              --build*)
                echo build >>"$CALLS"
                if [ -p "$GATE" ]; then setsid sh -c 'echo here >"$GATE"; exec cat "$GATE"'; fi
                echo module >"${2%/build/*}/python/allcores/_core.cpython-314-x.so" ;;
            esac
            """,
        )

    def program(self, name: str, text: str) -> None:
        file = self.programs / name
        file.write_text("#!/bin/bash\nset -eu\n" + textwrap.dedent(text))
        file.chmod(0o755)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = os.environ | {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "ALLCORES_IN_SANDBOX": "a stand-in",
            "ALLCORES_PYTHON": "3.14",
            "CALLS": str(self.calls),
            "GATE": str(self.gate),
        }
        return subprocess.Popen(
            [*UNDER_NOHUP_TOO, self.top / "py", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> list[str]:
        """Run ./py to its end; the calls of the stand-ins."""
        self.calls.write_text("")
        with self.start("x") as child:
            out, err = child.communicate(timeout=60)
        assert (child.returncode, out) == (0, "python x\n"), err
        return self.calls.read_text().split()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def alive_in(folder: Path) -> list[str]:
    """The command lines of the processes whose command or environment names a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            about = command + (process / "environ").read_bytes()
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if os.fsencode(folder) in about and state != "Z":
            found.append(command.replace(b"\0", b" ").decode())
    return found


def wait_until_none_is_alive_in(folder: Path) -> None:
    """Killing is not waited for by who kills: poll, without a limit of its own (pytest has one)."""
    while alive_in(folder):
        os.sched_yield()


def test_set_up_happens_once(checkout: Checkout) -> None:
    assert checkout.run() == ["venv", "pip", "configure", "build"]
    assert checkout.run() == []


def test_changes_build_again(checkout: Checkout) -> None:
    checkout.run()
    checkout.source.write_text("another text")
    assert checkout.run() == ["build"]
    (checkout.top / "src" / "two.cpp").write_text("2")
    assert checkout.run() == ["build"]
    checkout.source.unlink()
    assert checkout.run() == ["build"]
    next((checkout.top / "python/allcores").glob("*.so")).unlink()
    assert checkout.run() == ["build"]
    assert checkout.run() == []


def test_a_change_of_requirements_installs_them(checkout: Checkout) -> None:
    checkout.run()
    (checkout.top / "tools/requirements.txt").write_text("another\n")
    assert checkout.run() == ["pip", "build"]
    assert checkout.run() == []


def test_a_moved_checkout_is_set_up_anew(checkout: Checkout) -> None:
    checkout.run()
    checkout.top = checkout.top.rename(checkout.folder / "elsewhere")
    assert checkout.run() == ["venv", "pip", "configure", "build"]
    assert checkout.run() == []


def test_another_python_is_set_up_anew(checkout: Checkout) -> None:
    checkout.run()
    python = checkout.programs / "python3.14"
    checkout.program("python3.14", python.read_text().replace("3.14.0", "3.14.1").split("eu\n")[1])
    assert checkout.run() == ["venv", "pip", "configure", "build"]


def test_a_failed_build_is_shown_and_tried_again(checkout: Checkout) -> None:
    cmake = (checkout.programs / "cmake").read_text().split("eu\n")[1]
    checkout.program("cmake", "echo the reason; exit 3")
    with checkout.start("x") as child:
        out, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert out == "" and "the reason" in err
    checkout.program("cmake", cmake)
    assert checkout.run() == ["configure", "build"]


def test_two_at_once_build_once(checkout: Checkout) -> None:
    os.mkfifo(checkout.gate)
    with checkout.start("first") as first:
        assert checkout.gate.read_text() == "here\n"
        with checkout.start("second") as second:
            assert second.stderr is not None
            assert "waiting for another command" in second.stderr.readline()
            checkout.gate.write_text("go\n")
            assert first.communicate(timeout=60)[0] == "python first\n"
            assert second.communicate(timeout=60)[0] == "python second\n"
    assert checkout.calls.read_text().split() == ["venv", "pip", "configure", "build"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_set_up_leaves_nothing(checkout: Checkout, number: signal.Signals) -> None:
    os.mkfifo(checkout.gate)
    with checkout.start("x") as child:
        assert checkout.gate.read_text() == "here\n"
        assert len(alive_in(checkout.folder)) > 1
        child.send_signal(number)
        assert child.wait(60) == -number
        wait_until_none_is_alive_in(checkout.folder)
    checkout.gate.unlink()
    assert checkout.run() == ["build"]


# ---- tools/contained


def can_contain() -> bool:
    flags = ["--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.getuid() != 0:
        flags += ["--user", "--map-current-user"]
    return subprocess.run(["unshare", *flags, "true"], stderr=subprocess.DEVNULL).returncode == 0


needs_namespaces = pytest.mark.skipif(not can_contain(), reason="no process namespaces here")


def test_contained_passes_status_and_streams() -> None:
    done = subprocess.run(
        [TOP / "tools/contained", "sh", "-c", "cat; echo to stderr >&2; exit 9"],
        input="in",
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (9, "in", "to stderr\n")


@needs_namespaces
def test_contained_ends_what_its_command_left(tmp_path: Path) -> None:
    marker = str(tmp_path / "marker")
    done = subprocess.run(
        [
            TOP / "tools/contained",
            "sh",
            "-c",
            'setsid sh -c "cat; :" "$1" <>/dev/ptmx & :',
            "sh",
            marker,
        ]
    )
    assert done.returncode == 0
    wait_until_none_is_alive_in(tmp_path)


# ---- the sandbox's maker


class Maker:
    """A run of tools/sandbox make with stand-ins for what fetches and installs a Debian."""

    def __init__(self, folder: Path) -> None:
        self.base = folder / "sand boxes"
        self.programs = folder / "programs"
        self.gate = folder / "gate"
        mirror = folder / "mirror/dists/forky"
        mirror.mkdir(parents=True)
        (mirror / "InRelease").write_text("a release\n")
        self.environment = os.environ | {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "ALLCORES_SANDBOX_DIR": str(self.base),
            "ALLCORES_DEBIAN_MIRROR": f"file:{folder / 'mirror'}",
            "GATE": str(self.gate),
        }
        self.programs.mkdir()
        self.signature = "GOODSIG"
        self.program("debootstrap", self.debootstrap)
        self.program("chroot", 'shift; exec "$@"')
        self.program("apt-get", "echo pmstatus:one:50.0:Installing one >&3 || :")

    debootstrap = """\
        echo "$*" >"$ALLCORES_SANDBOX_DIR/arguments"
        for new in "$@"; do case $new in */forky-*) break ;; esac; done
        cd "${new%/*}"
        mkdir -p "$new"/{proc,sys,dev,run,etc/apt/apt.conf.d,etc/dpkg/dpkg.cfg.d,usr/sbin,var}
        if [ -p "$GATE" ]; then
          mount -t tmpfs tmpfs "$new/proc"
          setsid sh -c 'echo here >"$GATE"; exec cat "$GATE"'
        fi
    """

    def program(self, name: str, text: str) -> None:
        file = self.programs / name
        file.write_text("#!/bin/bash\nset -eu\n" + textwrap.dedent(text))
        file.chmod(0o755)

    def start(self) -> subprocess.Popen[str]:
        self.program("gpgv", f"echo '[GNUPG:] {self.signature}'")
        return subprocess.Popen(
            [*UNDER_NOHUP_TOO, TOP / "tools/sandbox", "make"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> tuple[int, str]:
        with self.start() as child:
            _, err = child.communicate(timeout=60)
        return child.returncode, err

    def roots(self) -> list[Path]:
        return [p for p in self.base.glob("forky-*") if (p / ".complete").exists()]

    def arguments(self) -> str:
        return (self.base / "arguments").read_text()


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[Maker]:
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    if os.getuid() != 0 or not can_contain() or not keyring.exists():
        pytest.skip("needs root, process namespaces and Debian's keyring")
    if not Path("/usr/lib/apt/apt-helper").exists():
        pytest.skip("needs apt")
    # The download helper drops its rights, and must still reach the stand-in for the mirror.
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.owner() == "root" and str(folder).startswith("/tmp/pytest"):
            folder.chmod(0o755)
    yield Maker(tmp_path)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_the_sandbox_is_made_once_and_removed(maker: Maker) -> None:
    status, err = maker.run()
    assert status == 0, err
    assert "is ready" in err
    (root,) = maker.roots()
    assert "--force-check-gpg" in maker.arguments()
    assert maker.run() == (0, "")
    subprocess.run([TOP / "tools/sandbox", "remove"], env=maker.environment, check=True)
    assert not root.exists()


def test_an_unknown_key_is_said_and_a_wrong_signature_refused(maker: Maker) -> None:
    maker.signature = "BADSIG"
    status, err = maker.run()
    assert status == 1 and "wrong signature" in err
    assert maker.roots() == []
    maker.signature = "NO_PUBKEY"
    status, err = maker.run()
    assert status == 0 and "without checking" in err
    assert "--no-check-gpg" in maker.arguments()


def test_a_mirror_without_the_release_is_said(maker: Maker) -> None:
    maker.environment["ALLCORES_DEBIAN_MIRROR"] += "/nothing"
    status, err = maker.run()
    assert status == 1 and "has no Debian forky" in err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_maker_leaves_nothing(maker: Maker, number: signal.Signals) -> None:
    os.mkfifo(maker.gate)
    with maker.start() as child:
        assert maker.gate.read_text() == "here\n"
        child.send_signal(number)
        assert child.wait(60) == -number
    wait_until_none_is_alive_in(maker.base)
    assert maker.roots() == []
    maker.gate.unlink()
    assert maker.run()[0] == 0
    assert len(maker.roots()) == 1


def test_ctrl_c_ends_the_maker(maker: Maker) -> None:
    os.mkfifo(maker.gate)
    with subprocess.Popen(
        [TOP / "tools/sandbox", "make"],
        env=maker.environment | {"PATH": f"{maker.programs}:{os.environ['PATH']}"},
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        process_group=0,
    ) as child:
        maker.program("gpgv", "echo GOODSIG")
        assert maker.gate.read_text() == "here\n"
        os.killpg(child.pid, signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGINT  # 130 in a shell
    assert "interrupted" in err
    wait_until_none_is_alive_in(maker.base)
    assert maker.roots() == []


def test_two_makers_make_one(maker: Maker) -> None:
    os.mkfifo(maker.gate)
    with maker.start() as first:
        assert maker.gate.read_text() == "here\n"
        with maker.start() as second:
            assert second.stderr is not None
            assert select.select([second.stderr], [], [], 60)[0]
            assert "waiting for it" in second.stderr.readline()
            maker.gate.write_text("go\n")
            maker.gate.unlink()
            assert first.communicate(timeout=60)[1].count("is ready") == 1
            assert second.communicate(timeout=60)[1] == ""
    assert (first.returncode, second.returncode) == (0, 0)
