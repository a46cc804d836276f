"""``batpak audit``: the program behaves as without it."""

from __future__ import annotations

import py_compile
import signal
import subprocess
import sys
import zipfile

import pytest

from audit_support import TIMEOUT_S, Workshop
from batpak import audit

# What a program can see of how it was started.
PROBE = """
import atexit, json, sys
main = sys.modules["__main__"]
def describe(label):
    spec = main.__spec__
    print(json.dumps({
        "label": label,
        "argv": sys.argv,
        "orig_argv": sys.orig_argv,
        "path": sys.path,
        "name": __name__,
        "is_main": vars(main) is globals(),
        "attributes": [name for name in vars(main) if name.startswith("__")],
        "file": getattr(main, "__file__", "none"),
        "cached": getattr(main, "__cached__", "none"),
        "doc": main.__doc__,
        "package": main.__package__,
        "loader": [type(main.__loader__).__name__, getattr(main.__loader__, "path", None), main.__loader__.name]
            if hasattr(main.__loader__, "name") else type(main.__loader__).__name__,
        "spec": spec and [spec.name, spec.origin, spec.parent, spec.has_location],
        "builtins": type(__builtins__).__name__,
    }))
describe("running")
atexit.register(describe, "exiting")
"""


# How a program is started


@pytest.mark.parametrize(
    "program",
    [
        ["probe.py"],
        ["probe.py", "one", "-m", "--dir", "x", "--", "-h"],
        ["./probe.py"],
        ["../workshop/probe.py"],
        ["folder/inner.py", ""],
        ["link.py"],
        ["-m", "probe"],
        ["-m", "probe", "-m", "other", "--help"],
        ["-m", "package", "x"],
        ["-m", "package.module"],
        ["-m", "zipped"],
        ["directory", "x"],
        ["./directory"],
        ["archive.zip", "x"],
        ["compiled.pyc", "x"],
        ["compiled-without-suffix", "x"],
    ],
)
def test_a_program_is_started_as_python_starts_it(workshop: Workshop, program: list[str]) -> None:
    for name in ("probe.py", "folder/inner.py", "package/__main__.py", "package/module.py", "directory/__main__.py"):
        workshop.write(name, PROBE)
    workshop.write("package/__init__.py", "")
    workshop.write("zipped/__init__.py", "")
    workshop.write("zipped/__main__.py", "from . import sibling\n" + PROBE)
    workshop.write("zipped/sibling.py", "")
    (workshop.path / "link.py").symlink_to(workshop.path / "folder" / "inner.py")
    with zipfile.ZipFile(workshop.path / "archive.zip", "w") as archive:
        archive.writestr("__main__.py", PROBE)
    for name in ("compiled.pyc", "compiled-without-suffix"):
        py_compile.compile(str(workshop.path / "probe.py"), cfile=str(workshop.path / name), doraise=True)
    ended = workshop.same(*program)
    assert ended.returncode == 0, ended.stderr.decode()
    assert len(ended.stdout.splitlines()) == 2


@pytest.mark.parametrize("flags", [["-P"], ["-I", "-B"], ["-O"], ["-X", "dev"], ["-W", "error"]])
@pytest.mark.parametrize("program", [["probe.py", "x"], ["-m", "probe"], ["directory"]])
def test_flags_of_the_interpreter_hold(workshop: Workshop, flags: list[str], program: list[str]) -> None:
    workshop.write("probe.py", PROBE)
    workshop.write("directory/__main__.py", PROBE)
    plain = workshop.run([*flags, *program])
    assert workshop.run([*flags, "-m", "batpak", "audit", *program]) == plain


@pytest.mark.parametrize(
    "program",
    [
        ["missing.py"],
        ["-m", "missing"],
        ["-m", "package"],
        ["-m", "probe.py"],
        ["."],
        ["empty"],
        ["broken.py"],
        ["-m", "broken"],
    ],
)
def test_a_program_that_cannot_be_started(workshop: Workshop, program: list[str]) -> None:
    workshop.write("package/__init__.py", "")
    workshop.write("probe.py", "")
    workshop.write("broken.py", "x = 1\nif x\n    pass\n")
    (workshop.path / "empty").mkdir()
    ended = workshop.same(*program)
    assert ended.returncode in {1, 2}
    assert ended.stderr
    (end,) = workshop.payloads(audit.RunEnded)
    assert end.exit_code == ended.returncode


def test_standard_streams_are_the_programs(workshop: Workshop) -> None:
    source = "import sys\nprint(input(), sys.stdin.read(), sys.stdout.encoding, sys.stdout.errors, sys.stdout.fileno())"
    workshop.write("program.py", source)
    assert workshop.same("program.py", stdin=b"line\nrest\n").stdout.startswith(b"line rest")


# How it ends

ENDINGS = {
    "none": ("import sys; sys.exit()", 0),
    "zero": ("import sys; sys.exit(0)", 0),
    "three": ("import sys; sys.exit(3)", 3),
    "negative": ("import sys; sys.exit(-1)", 255),
    "wraps": ("import sys; sys.exit(259)", 3),
    "true": ("import sys; sys.exit(True)", 1),
    "text": ("import sys; sys.exit('the reason')", 1),
    "object": ("import sys; sys.exit(['a', 1])", 1),
    "float": ("import sys; sys.exit(0.0)", 1),
    "raised": ("raise SystemExit", 0),
    "subclass": ("class Stop(SystemExit): pass\nraise Stop(4)", 4),
    "exception": ("def f():\n    raise ValueError('wrong')\nf()", 1),
    "chain": ("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e", 1),
    "context": ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    int('x')", 1),
    "group": ("raise ExceptionGroup('several', [ValueError(1), TypeError(2)])", 1),
    "bare base": ("class Odd(BaseException): pass\nraise Odd('base')", 1),
    "unprintable": ("class Bad(Exception):\n    def __str__(self): raise RuntimeError\nraise Bad()", 1),
    "surrogates": ("raise ValueError('\\udc80')", 1),
    "syntax": ("compile('(', 'inner', 'exec')", 1),
    "recursion": ("def f(): f()\ntry:\n    f()\nexcept RecursionError:\n    raise SystemExit(6) from None", 6),
    "hook": (
        (
            "import sys\n"
            "def hook(cls, value, trace):\n"
            "    names = []\n"
            "    while trace: names.append(trace.tb_frame.f_code.co_name); trace = trace.tb_next\n"
            "    print(cls, value, names, sys.last_value is value, file=sys.stderr)\n"
            "sys.excepthook = hook\n"
            "raise ValueError('for the hook')"
        ),
        1,
    ),
    "hook exits": ("import sys\nsys.excepthook = lambda *_: sys.exit(9)\n1 / 0", 9),
    "hook fails": ("import sys\ndef hook(*_): raise KeyError('hook')\nsys.excepthook = hook\n1 / 0", 1),
    "last traceback": (
        (
            "import atexit, sys, traceback\n"
            "@atexit.register\n"
            "def last(): print([f.name for f in traceback.extract_tb(sys.last_traceback)], '__file__' in globals())\n"
            "1 / 0"
        ),
        1,
    ),
    "exit handlers": (
        (
            "import atexit, sys, threading, time\n"
            "atexit.register(print, 'first registered')\n"
            "atexit.register(print, 'last registered')\n"
            "started = threading.Event()\n"
            "def work():\n"
            "    started.set()\n"
            "    threading.main_thread().join()\n"
            "    print('thread', '__file__' in globals())\n"
            "threading.Thread(target=work).start()\n"
            "started.wait()\n"
            "sys.exit(5)"
        ),
        5,
    ),
    "exit handler fails": ("import atexit\natexit.register(divmod, 1, 0)", 0),
    "thread fails": ("import threading\nt = threading.Thread(target=lambda: 1 / 0, name='t')\nt.start(); t.join()", 0),
    "destructor": ("class Late:\n    def __del__(self): print('late')\nkeep = Late()", 0),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_program_ends_as_without_audit(workshop: Workshop, name: str) -> None:
    source, exit_code = ENDINGS[name]
    program = workshop.write("program.py", source)
    ended = workshop.same(program)
    assert ended.returncode == exit_code
    (end,) = workshop.payloads(audit.RunEnded)
    assert end.exit_code == exit_code
    assert end.dropped == 0
    assert end.children_followed is False
    assert ended.returncode != 1 or end.error is not None or b"Traceback" not in ended.stderr


def test_the_end_names_what_ended_it(workshop: Workshop) -> None:
    workshop.audited(workshop.write("program.py", "raise ValueError('wrong')"))
    (end,) = workshop.payloads(audit.RunEnded)
    assert end.error == "ValueError: wrong"


@pytest.mark.parametrize(
    ("source", "returncode"),
    [
        ("import os; print('out', flush=True); os._exit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'print(1); raise SystemExit(8)'])", 8),
    ],
)
def test_a_process_that_vanishes_has_no_end(workshop: Workshop, source: str, returncode: int) -> None:
    program = workshop.write("program.py", source)
    assert workshop.same(program).returncode == returncode
    assert workshop.payloads(audit.RunEnded) == []
    assert workshop.tree().splitlines()[-1].endswith("└─ no end recorded")
    # The next run writes into the same journal; only the first has no end.
    workshop.audited(workshop.write("other.py", ""))
    assert workshop.tree().count("no end recorded") == 1


@pytest.mark.parametrize("handled", [False, True])
def test_ctrl_c_is_the_programs(workshop: Workshop, handled: bool) -> None:  # noqa: FBT001
    source = "print('ready', flush=True)\nwhile True: pass\n"
    if handled:
        source = (
            "import sys\ntry:\n    " + source.replace("\n", "\n    ") + "\nexcept KeyboardInterrupt: sys.exit(44)\n"
        )
    program = workshop.write("program.py", source)
    endings = []
    for command in ([program], ["-m", "batpak", "audit", program]):
        with subprocess.Popen(
            [sys.executable, *command], cwd=workshop.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(signal.SIGINT)
            # Which line was interrupted is chance.
            stderr = [line for line in process.stderr.read().splitlines() if b", line " not in line]
            endings.append((process.wait(TIMEOUT_S), b"Traceback (most recent call last):" in stderr, stderr[-1:]))
    assert endings[0] == endings[1]
    # A shell shows a process that SIGINT ended as 130.
    assert endings[0][0] == (44 if handled else -signal.SIGINT)
    (end,) = workshop.payloads(audit.RunEnded)
    assert end.exit_code == (44 if handled else 130)


def test_signals_that_a_program_waits_for_reach_it(workshop: Workshop) -> None:
    # A thread has its own name once it has its own signal mask; before that, it takes no signal anyway.
    workshop.write(
        "program.py",
        """
import os, pathlib, signal
def starting(task):
    return task.name != str(os.getpid()) and (task / "comm").read_text() == pathlib.Path("/proc/self/comm").read_text()
while any(map(starting, pathlib.Path("/proc/self/task").iterdir())):
    os.sched_yield()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
os.kill(os.getpid(), signal.SIGUSR1)
print(signal.sigwait({signal.SIGUSR1}), signal.pthread_sigmask(signal.SIG_BLOCK, set()))
""",
    )
    assert workshop.same("program.py").returncode == 0


# Children


def test_forked_children_write_nothing(workshop: Workshop) -> None:
    workshop.write(
        "program.py",
        # Newer Pythons warn when a process with any thread forks, and the store's sync is a thread.
        """
import atexit, os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
atexit.register(print, "exit handler")
sys.stdout.flush()
for how in ("exit", "_exit", "end"):
    child = os.fork()
    if child == 0:
        open("by-child-" + how, "w").close()
        if how == "exit":
            sys.exit(3)
        if how == "_exit":
            os._exit(4)
        break
    print(how, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    open("by-parent", "w").close()
""",
    )
    workshop.same("program.py")
    assert (workshop.path / "by-child-end").exists()
    paths = [opened.path for opened in workshop.payloads(audit.FileOpened)]
    assert "by-parent" in paths
    assert not [path for path in paths if isinstance(path, str) and path.startswith("by-child")]
    (end,) = workshop.payloads(audit.RunEnded)
    assert end.forks == 3
    assert "3 forks, children not followed" in workshop.tree()


@pytest.mark.parametrize(
    ("method", "start"),
    [
        ("fork", "script"),
        ("spawn", "script"),
        ("forkserver", "script"),
        ("fork", "module"),
        ("spawn", "module"),
        ("forkserver", "module"),
        # Python itself cannot import a directory's __main__ again: the other methods hang, with or without audit.
        ("fork", "directory"),
    ],
)
def test_multiprocessing_behaves_as_without_audit(workshop: Workshop, method: str, start: str) -> None:
    source = f"""
import multiprocessing, os
from concurrent.futures import ProcessPoolExecutor
class Point:
    def __init__(self, x): self.x = x
def square(point): return Point(point.x ** 2)
def child(queue): queue.put((__name__, os.getppid() != 0))
if __name__ == "__main__":
    context = multiprocessing.get_context("{method}")
    with context.Pool(2) as pool:
        print([point.x for point in pool.map(square, map(Point, range(20)))])
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        print([point.x for point in executor.map(square, map(Point, range(5)))])
    queue = context.SimpleQueue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(queue.get())
    process.join()
    print(process.exitcode)
"""
    workshop.write("program.py", source)
    workshop.write("directory/__main__.py", source)
    programs = {"script": ["program.py"], "module": ["-m", "program"], "directory": ["directory"]}
    ended = workshop.same(*programs[start])
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert len(workshop.payloads(audit.RunEnded)) == 1


def test_many_subprocesses_and_threads(workshop: Workshop) -> None:
    workshop.write(
        "program.py",
        """
import os, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
def run(n):
    return subprocess.run(["/bin/echo", str(n)], capture_output=True, check=True).stdout.decode().strip()
with ThreadPoolExecutor(4) as executor:
    print(list(executor.map(run, range(40))))
print(os.system("exit 3") >> 8, subprocess.check_output("echo $PPID >/dev/null; echo shell", shell=True))
print(subprocess.run([sys.executable, "-c", "import sys; print(sys.argv)"], stdout=subprocess.PIPE).stdout)
print(os.waitstatus_to_exitcode(os.spawnvp(os.P_WAIT, "true", ["true"])))
""",
    )
    assert workshop.same("program.py").returncode == 0
    started = [payload.event for payload in workshop.payloads(audit.ProcessStarted)]
    assert started.count("subprocess.Popen") == 42
    assert "os.system" in started


def test_a_program_that_starts_itself_again_is_not_recorded_twice(workshop: Workshop) -> None:
    workshop.write(
        "program.py",
        "import subprocess, sys\n"
        "if len(sys.argv) == 1: print(subprocess.run([*sys.orig_argv, 'again']).returncode)\n"
        "else: print('again', flush=True)\n",
    )
    assert workshop.same("program.py").returncode == 0
    assert len(workshop.payloads(audit.RunStarted)) == 1
