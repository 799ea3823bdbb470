"""Where the tasks of a search run: here one after the other, in processes of this machine, or on a cluster.

A task is independent of all others, so it may run anywhere, and again where its worker died: :func:`done` asks for what
is missing until all is there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

import attrs

from qnnsolve.errors import QnnSolveError, UsageError
from qnnsolve.foreign import said

__all__ = ["Workers", "check_workers"]

R = TypeVar("R")

_ROUNDS = 5
"""So often are tasks given to workers whose earlier ones died."""


def check_workers(workers: int, cluster: str | None, executor: Executor | None) -> None:
    """Refuse what cannot be, before anything is measured.

    Raises:
        UsageError: no worker, several places, or a cluster without ``distributed``.
    """
    if workers < 1:
        raise UsageError(f"workers {workers}: at least one is needed")
    if sum((workers > 1, cluster is not None, executor is not None)) > 1:
        raise UsageError("workers, cluster, executor: tasks run in one place; name one of them")
    if cluster is not None:
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise UsageError(
                f"cluster {cluster}: the package distributed is missing; pip install 'qnnsolve[cluster]'"
            ) from error


@attrs.frozen(eq=False)
class Workers:
    """Workers that have ``setup``, the same for all tasks."""

    setup: bytes
    _start: Callable[[], contextlib.AbstractContextManager[Executor]]

    @classmethod
    def of(cls, setup: object, workers: int, cluster: str | None, executor: Executor | None) -> Workers | None:
        """As they were asked for; None: the tasks run here.

        Raises:
            UsageError: the cluster cannot be reached.
        """
        blob = pickle.dumps(setup)
        if executor is not None:
            return cls(blob, lambda: contextlib.nullcontext(executor))
        if cluster is not None:
            return cls(blob, lambda: _connected(cluster))
        if workers > 1:
            return cls(blob, lambda: _processes(workers))
        return None

    def done(self, task: Callable[[Any, Any], R], items: Sequence[Any]) -> Iterator[tuple[int, R]]:
        """``task(setup, item)`` for each of ``items``, as they are done, with their places.

        Raises:
            QnnSolveError: workers died again and again; or what a task raises.
        """
        left = dict(enumerate(items))
        for _ in range(_ROUNDS):
            with self._start() as executor:
                futures = {executor.submit(_run, self.setup, task, item): place for place, item in left.items()}
                for place, answer in _answered(futures):
                    del left[place]
                    yield place, answer
            if not left:
                return
        raise QnnSolveError(f"workers of the search died {_ROUNDS} times; {len(left)} of {len(items)} tasks are left")


def _answered(futures: dict[Future[R], int]) -> Iterator[tuple[int, R]]:
    """What came, and not what was lost with a worker."""
    for future in as_completed(futures):
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or type(error).__name__ in _LOST:
            continue
        yield futures[future], future.result()


_LOST = ("BrokenProcessPool", "CancelledError", "KilledWorker", "FutureCancelledError", "CommClosedError")
"""What a pool of processes and ``distributed`` say where a worker died."""


@contextlib.contextmanager
def _processes(count: int) -> Iterator[Executor]:
    threads = max(1, (os.cpu_count() or 1) // count)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(threads,)) as pool:
        yield pool


def _begin(threads: int) -> None:
    """A process with its share of the cores."""
    import torch

    torch.set_num_threads(threads)


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Executor]:
    from distributed import Client

    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise UsageError(f"cluster {address} cannot be reached: {said(error)}") from error
    with client, client.get_executor(pure=False) as executor:
        yield executor


def _run(setup: bytes, task: Callable[[Any, Any], R], item: Any) -> R:
    """In a worker."""
    from qnnsolve.host.quiet import quiet

    with quiet():
        return task(pickle.loads(setup), item)
