"""Work in a child process that may die: the parent's side (:func:`run`) and the child's (:func:`serve`).

Qualcomm's compiler and emulator can abort or hang the process that calls them, and keep one SoC for its whole
life. So each job gets a fresh interpreter, a timeout, and a log file that takes everything it prints. What comes
back is a JSON object, or one :class:`~qnnsolve.errors.HostBackendError` of one line.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

from qnnsolve.errors import HostBackendError, QnnSolveError, UsageError
from qnnsolve.foreign import said
from qnnsolve.host.collecting import collect_seldom
from qnnsolve.host.leftovers import removed_afterwards
from qnnsolve.host.logs import last_error

__all__ = ["Progress", "Reply", "Report", "run", "serve", "started"]

Progress: TypeAlias = Callable[[str, int, "int | None"], None]
"""Called with a stage, the steps done, and their number where it is known."""
Report: TypeAlias = Progress
Reply: TypeAlias = dict[str, Any]

ANSWER, LOG = "answer.json", "log.txt"
"""Where a child's folder has what it answers, and what it prints."""
MOST_MEMORY, MOST_SAID = 2**32, 2**26
"""Bytes of memory, and of a file (its log, its answer), that a bounded child may take."""
_PR_SET_PDEATHSIG = 1


def run(
    module: str,
    job: Mapping[str, Any],
    folder: Path,
    *,
    what: str,
    timeout: float,
    progress: Progress | None = None,
) -> Reply:
    """What ``python -m module`` answers to ``job``.

    Args:
        module: a module that calls :func:`serve`.
        job: JSON values.
        folder: an existing folder for the job, its log and its answer.
        what: the subject of error messages, like ``the HTP compiler``.
        timeout: seconds until the child is killed.
        progress: receives what the child reports.

    Raises:
        HostBackendError: the child raised, died or took too long.
        UsageError: the child could not read or write a file.
    """
    with started(module, [(job, folder)], what=what, timeout=timeout) as answer_of:
        return answer_of(0, progress)


@contextlib.contextmanager
def started(
    module: str, jobs: Iterable[tuple[Mapping[str, Any], Path]], *, what: str, timeout: float
) -> Iterator[Callable[[int, Progress | None], Reply]]:
    """Inside, a child works on each of ``jobs``, in its folder; afterwards none does any more.

    What it gives waits for the child of that number, passes on what it reports, and returns or raises as :func:`run`.
    """
    running: list[tuple[subprocess.Popen[bytes], Path]] = []
    deadline = time.monotonic() + timeout

    def answer_of(number: int, progress: Progress | None) -> Reply:
        child, folder = running[number]
        log = folder / LOG
        try:
            in_time = _follow(child, deadline, progress)
        finally:
            _kill(child)
        if not in_time:
            raise HostBackendError(f"{what} did not finish within {timeout:g} s and was stopped{last_error(log)}")
        if child.returncode:
            raise HostBackendError(f"{what} {_death(child.returncode)}{last_error(log)}")
        return _answer(folder / ANSWER, what, log)

    with removed_afterwards(lambda: _kill_all(child for child, _ in running)), contextlib.ExitStack() as pipes:
        pipes.callback(lambda: _kill_all(child for child, _ in running))
        for job, folder in jobs:
            child = _start(module, job, folder)
            running.append((child, folder))
            assert child.stdout is not None
            pipes.callback(child.stdout.close)
        yield answer_of


def _answer(answer: Path, what: str, log: Path) -> Reply:
    try:
        found: Reply = json.loads(answer.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HostBackendError(f"{what} ended without an answer{last_error(log)}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise HostBackendError(f"{what} answered something unreadable{last_error(log)}") from error
    return _unpack(found, what, log)


def _start(module: str, job: Mapping[str, Any], folder: Path) -> subprocess.Popen[bytes]:
    try:
        (folder / "job.json").write_text(json.dumps(dict(job)), encoding="utf-8")
        noise = (folder / LOG).open("wb")
    except OSError as error:
        raise HostBackendError(f"TMPDIR {folder.parent} cannot be written: {error.strerror}") from error
    with noise:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(folder / "job.json"), str(folder / ANSWER), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=noise,
            env={"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}  # else torch leaves one in TMPDIR
            | os.environ
            | {"PYTHONPATH": os.pathsep.join(_import_path())},
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends the child and all it started
        )


def _import_path() -> list[str]:
    """The parent's ``sys.path``, so that the child finds what the user's program finds."""
    return [str(Path(entry or ".").absolute()) for entry in sys.path]


def _follow(child: subprocess.Popen[bytes], deadline: float, progress: Progress | None) -> bool:
    """Pass on what the child reports until it ends; False where the deadline came first.

    What it has started may outlive it, and keep its end of the pipe open.
    """
    assert child.stdout is not None
    pipe, pending = child.stdout.fileno(), b""
    while (left := deadline - time.monotonic()) > 0:
        ended = child.poll() is not None
        if not select.select([pipe], [], [], 0 if ended else min(left, 0.5))[0]:
            if ended:
                return True
            continue
        chunk = os.read(pipe, 65536)
        if not chunk:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(deadline - time.monotonic(), 0))
                return True
            return False
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if progress is not None:
                progress(*_told(line))
    return False


def _told(line: bytes) -> tuple[str, int, int | None]:
    try:
        stage, done, total = json.loads(line)
        return str(stage), int(done), total if total is None else int(total)
    except (ValueError, TypeError, RecursionError):  # a library has written there
        return "it said something unreadable", 0, None


def _kill_all(children: Iterable[subprocess.Popen[bytes]]) -> None:
    for child in children:
        _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """The child, and all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _death(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed ({name}); memory may have run out" if name == "SIGKILL" else f"died of {name}"


def _unpack(answer: Reply, what: str, log: Path) -> Reply:
    match answer:
        case {"result": dict(result)}:
            return result
        case {"usage": str(message)}:
            raise UsageError(message)
        case {"backend": str(message)}:
            raise HostBackendError(message)
        case {"raised": str(message)}:
            raise HostBackendError(f"{what} failed: {message}{last_error(log)}")
    raise HostBackendError(f"{what} answered something unreadable")


def serve(work: Callable[[Mapping[str, Any], Report], Reply], bounded: bool = False) -> None:
    """The child's whole life: read the job, do the ``work``, write the answer, exit without a word.

    Ends the process at once, past every destructor: QNN's may abort after the work is done and safe. ``bounded``, for
    code that nobody knows: it takes no more memory than :data:`MOST_MEMORY`, and says no more than :data:`MOST_SAID`.
    """
    _die_with_parent(int(sys.argv[3]))
    collect_seldom()
    if bounded:
        _bound()
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job_file, answer_file = map(Path, sys.argv[1:3])

    def report(stage: str, done: int, total: int | None) -> None:
        _say(reports, stage, done, total)

    try:
        answer: Reply = {"result": work(json.loads(job_file.read_text(encoding="utf-8")), report)}
    except UsageError as error:
        answer = {"usage": str(error)}
    except QnnSolveError as error:
        answer = {"backend": str(error)}
    except BaseException as error:  # whatever happens here, an exit too, the parent gets to know in one line
        import traceback

        traceback.print_exc()
        answer = {"raised": said(error)}
    answer_file.write_text(json.dumps(answer), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _bound() -> None:
    import resource

    for limit, most in ((resource.RLIMIT_DATA, MOST_MEMORY), (resource.RLIMIT_FSIZE, MOST_SAID)):
        hard = resource.getrlimit(limit)[1]
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(limit, (most, hard))


def _say(reports: IO[str], stage: str, done: int, total: int | None) -> None:
    reports.write(json.dumps([stage, done, total]) + "\n")
    reports.flush()


def _die_with_parent(parent: int) -> None:
    """Ask Linux to end this process when its parent dies without having killed it; end where it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
