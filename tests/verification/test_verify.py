"""Programs on the emulator: what is off is caught, and what cannot run is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from qnnsolve.errors import HostBackendError
from qnnsolve.lowering.lower import lower
from qnnsolve.verification.emulator import run_on_emulator
from qnnsolve.verification.verify import verify
from tests.converted import converted_net
from tests.nets import ConvNet, images, seeded


class Wide(torch.nn.Module):
    """64 channels of 14 x 14, at 8 bits."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Conv2d(3, 16, 3), torch.nn.Conv2d(16, 64, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.first(pixels).relu())
        return out


@pytest.mark.slow
def test_a_garbled_channel_of_the_program_is_caught_and_named(tmp_path: Path) -> None:
    """Two models that differ in one channel (or row) from the one compiled, so that the program is off there alone."""
    samples = images(2)
    model, converted = seeded(Wide), converted_net(Wide, samples, "8a8w")
    lowered = lower(converted, samples[0], soc="SM8750", fp16=False, cpu_nodes=frozenset(), out=tmp_path / "model.pte")

    def verified(where: tuple[Any, ...], size: float) -> Any:
        def off(source: torch.nn.Module) -> Any:
            def run(pixels: torch.Tensor) -> Any:
                out = source(pixels).clone()
                out[where] += size
                return out

            return run

        return verify(lowered.pte, off(converted), off(model), samples, tolerance=0.005)

    assert verified((), 0.0).agrees
    for where, place in (((slice(None), 9), "index 9 of axis 1"), ((slice(None), slice(None), 4), "index 4 of axis 2")):
        found = verified(where, 0.08)
        assert (found.agrees, found.outputs[0].place) == (False, place)


@pytest.mark.slow
def test_a_program_of_another_model_is_caught(tmp_path: Path) -> None:
    samples = images(2)
    converted = converted_net(ConvNet, samples)
    lowered = lower(converted, samples[0], soc="SM8750", fp16=False, cpu_nodes=frozenset(), out=tmp_path / "model.pte")

    def wrong(pixels: torch.Tensor) -> Any:
        return converted(pixels) * torch.tensor([1.0, 1.0, 1.1, 1.0])

    right = verify(lowered.pte, converted, converted, samples)
    assert right.agrees
    caught = verify(lowered.pte, wrong, converted, samples)
    assert caught.emulator_vs_converted_max_rel > caught.tolerance
    assert caught.note is not None
    assert caught.note.startswith("output 0 differs by up to")


@pytest.mark.slow
def test_a_program_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.pte").write_bytes(b"not a program")
    with pytest.raises(HostBackendError, match=r"^the HTP emulator "):
        run_on_emulator(tmp_path / "model.pte", images(1))


def test_an_emulator_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qnnsolve.verification.emulator.CHILD", "tests.rogue_child")
    monkeypatch.setenv("ROGUE", "abort")
    with pytest.raises(HostBackendError, match=r"^the HTP emulator died of SIGABRT"):
        run_on_emulator(tmp_path / "model.pte", images(1))
