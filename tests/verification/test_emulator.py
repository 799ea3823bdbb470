"""Samples on the emulator: in order, on as many cores as may be, and nothing lives on when one of them fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from qnnsolve.errors import HostBackendError
from qnnsolve.verification import emulator
from qnnsolve.verification.emulator import EmulatorRun, _at_once, _shares, emulating
from qnnsolve.verification.outputs import is_stateless


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "CHILD", "tests.verification.stand_in")
    monkeypatch.setattr(emulator, "_at_once", lambda _: 2)


def run(values: list[float], steps: list[tuple[str, int, int | None]], *, stateless: bool = True) -> EmulatorRun:
    with emulating(Path("model.pte"), samples(*values), stateless=stateless) as finished:
        return finished(lambda *step: steps.append(step))


def test_samples_of_a_stateless_program_run_beside_each_other_and_come_back_in_order() -> None:
    steps: list[tuple[str, int, int | None]] = []
    found = run([1, 2, 3, 4, 5], steps)
    assert [[float(each) for each in sample] for sample in found.outputs] == [[1, 0], [2, 1], [3, 0], [4, 1], [5, 2]]
    assert steps == [("verify", done, 5) for done in (0, 1, 2, 2, 3, 4, 5)]
    assert (found.load_seconds, found.seconds, found.whole) == (0.5, (1.0,) * 5, 3.0)


def test_those_of_another_one_run_one_after_the_other() -> None:
    found = run([1, 2, 3], [], stateless=False)
    assert [float(index) for _, index in found.outputs] == [0, 1, 2]
    assert found.whole == 3.0


def test_where_one_fails_there_is_one_error_and_none_is_left() -> None:
    children: list[int] = []
    with (
        pytest.raises(HostBackendError, match=r"^the HTP emulator died of SIGABRT"),
        emulating(Path("model.pte"), samples(-1, 9), stateless=True) as finished,
    ):
        children += children_now()
        finished(None)
    assert_gone(children)


def test_an_interrupt_ends_all_of_them() -> None:
    children: list[int] = []

    def interrupted(stage: str, *_: object) -> None:
        if stage == "hangs":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), emulating(Path("model.pte"), samples(9, 9), stateless=True) as finished:
        children += children_now()
        finished(interrupted)
    assert_gone(children)


def samples(*values: float) -> list[tuple[torch.Tensor]]:
    return [(torch.tensor(float(value)),) for value in values]


def children_now() -> list[int]:
    return [int(each) for each in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def assert_gone(children: list[int]) -> None:
    assert len(children) == 2
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize(
    ("count", "most", "sizes"), [(5, 2, [2, 3]), (2, 8, [1, 1]), (3, 1, [3]), (4, 3, [1, 1, 2]), (1, 4, [1])]
)
def test_each_core_gets_about_as_many(count: int, most: int, sizes: list[int]) -> None:
    shares = _shares(count, most)
    assert [len(range(*share.indices(count))) for share in shares] == sizes
    assert [index for share in shares for index in range(*share.indices(count))] == list(range(count))


def test_there_are_no_more_than_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pte = tmp_path / "model.pte"
    pte.write_bytes(bytes(1000))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    each = emulator.LEAST_MEMORY + 1000 * emulator.PER_BYTE
    for memory, number in ((100 * each, 16), (3 * each, 3), (3 * each - 1, 2), (0, 1)):
        monkeypatch.setattr(emulator, "available", lambda memory=memory: memory)
        assert _at_once(pte) == number


class Counting(torch.nn.Module):
    count: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count.add_(1)
        return x + self.count


def test_a_program_that_writes_to_a_state_is_not_stateless() -> None:
    class Constant(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            low, high = (x + torch.ones(1)).chunk(2)
            return low, high

    x = (torch.rand(2),)
    assert is_stateless(torch.export.export(Constant(), x, strict=False).graph_module)
    assert not is_stateless(torch.export.export(Counting(), x, strict=False).graph_module)
    assert not is_stateless(Constant()), "nobody can tell of what is no graph"
