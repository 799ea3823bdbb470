"""Tasks of a search elsewhere: nothing is lost where a worker dies, and the answer is the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest

from qnnsolve import search_config
from qnnsolve.errors import QnnSolveError, UsageError
from qnnsolve.results import SearchResult
from qnnsolve.search import workers
from qnnsolve.search.workers import Workers, check_workers
from tests.nets import ConvNet, images, seeded

SAMPLES = images(3)


class Dying(Executor):
    """Loses each task as often as ``deaths`` says, as a pool does whose worker died; then does it."""

    def __init__(self, deaths: int, said: BaseException) -> None:
        self.deaths, self.said, self.given = deaths, said, list[int]()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        item = args[-1]
        self.given.append(item)
        if self.given.count(item) <= self.deaths:
            future.set_exception(self.said)
        else:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:
                future.set_exception(error)
        return future


class KilledWorker(Exception):
    """As ``distributed`` calls it."""


def times(setup: int, item: int) -> int:
    if item < 0:
        raise UsageError("negative")
    return setup * item


@pytest.mark.parametrize("said", [BrokenProcessPool(), CancelledError(), KilledWorker()])
def test_what_was_lost_is_asked_for_again_and_nothing_else(said: BaseException) -> None:
    once = Dying(1, said)
    found = Workers.of(3, 1, None, once)
    assert found is not None
    assert dict(found.done(times, [1, 2, 3])) == {0: 3, 1: 6, 2: 9}
    assert once.given == [1, 2, 3, 1, 2, 3]


def test_workers_that_always_die_are_given_up() -> None:
    found = Workers.of(3, 1, None, Dying(10**6, BrokenProcessPool()))
    assert found is not None
    with pytest.raises(QnnSolveError, match="died 5 times; 2 of 2 tasks are left"):
        dict(found.done(times, [1, 2]))


def test_what_a_task_raises_is_raised() -> None:
    found = Workers.of(3, 1, None, Dying(0, BrokenProcessPool()))
    assert found is not None
    with pytest.raises(UsageError, match="negative"):
        dict(found.done(times, [-1]))


def test_one_place_is_named_and_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(1) as executor:
        for asked in ((2, "tcp://127.0.0.1:1", None), (2, None, executor), (1, "tcp://127.0.0.1:1", executor)):
            with pytest.raises(UsageError, match="name one of them"):
                check_workers(*asked)
    with pytest.raises(UsageError, match="at least one"):
        check_workers(0, None, None)
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'qnnsolve\[cluster\]'"):
        check_workers(1, "tcp://127.0.0.1:1", None)


def searched(**settings: Any) -> SearchResult:
    net, more = seeded(ConvNet), {"points": 3, "alternatives": 3, "axis": "weights", "directions": 2, **settings}
    candidates = "8a8w,16a8w,16a4w"
    return search_config(net, SAMPLES[0], calibration=SAMPLES, candidates=candidates, **more)


def told(result: SearchResult) -> tuple[object, ...]:
    return result.points, result.uniforms, result.passes, result.sensitivities


@pytest.fixture(scope="module")
def alone() -> SearchResult:
    found = searched()
    assert len(found.points) > 7, "or nothing is left when a worker dies"
    return found


def test_the_answer_is_the_same_in_another_executor(alone: SearchResult) -> None:
    with ThreadPoolExecutor(1) as executor:
        assert told(searched(executor=executor)) == told(alone)


def killing(pids: Callable[[], list[int]]) -> Callable[[str, int, int | None], None]:
    """A progress that kills one worker when four configs are measured, of which two are uniform at most."""
    killed: list[int] = []

    def progress(stage: str, done: int, _: int | None) -> None:
        if stage == "measure" and done == 4 and not killed:
            killed.append(pids()[0])
            os.kill(killed[0], signal.SIGKILL)

    progress.killed = killed  # type: ignore[attr-defined]
    return progress


@pytest.mark.slow
def test_a_process_that_is_killed_loses_nothing(alone: SearchResult, monkeypatch: pytest.MonkeyPatch) -> None:
    pools: list[Any] = []
    real = ProcessPoolExecutor

    def kept(*args: Any, **kwargs: Any) -> Any:
        pools.append(real(*args, **kwargs))
        return pools[-1]

    monkeypatch.setattr(workers, "ProcessPoolExecutor", kept)
    progress = killing(lambda: list(pools[-1]._processes))
    assert told(searched(workers=2, progress=progress)) == told(alone)
    assert progress.killed and len(pools) == 2, "a new pool did what the first one lost"  # type: ignore[attr-defined]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two worker processes on loopback, which come again when they die."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as found:
        yield found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_of_a_cluster_that_is_killed_loses_nothing(cluster: Any, alone: SearchResult) -> None:
    progress = killing(lambda: [nanny.pid for nanny in cluster.workers.values()])
    found = searched(cluster=cluster.scheduler_address, progress=progress)
    assert told(found) == told(alone)
    assert progress.killed  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_is_not_there_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"cluster tcp://127\.0\.0\.1:1 cannot be reached"):
        searched(cluster="tcp://127.0.0.1:1")
