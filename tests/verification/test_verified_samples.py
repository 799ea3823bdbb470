"""Which samples the emulator runs: the example, then different ones, the same on each run."""

from __future__ import annotations

import torch

from qnnsolve.verification.verified_samples import VERIFIED_SAMPLES, chosen


def sample(value: float) -> tuple[torch.Tensor, ...]:
    return (torch.full((2, 2), value), torch.tensor([1, 2]))


def values(samples: list[tuple[object, ...]]) -> list[float]:
    return [float(each[0][0, 0]) for each in samples]  # type: ignore[index]


def test_the_first_calibration_sample_as_the_example_is_not_run_twice() -> None:
    """As the pipeline has them: rebuilt tuples, and copies of tensors."""
    calibration = [sample(float(index)) for index in range(8)]
    assert values(chosen(calibration[0], calibration)) == [0, 7]
    assert values(chosen(sample(0.0), calibration, 3)) == [0, 4, 7]
    assert values(chosen(sample(0.0), [sample(0.0)] * 3)) == [0]


def test_all_are_run_where_there_are_no_more_and_in_their_order() -> None:
    calibration = [sample(value) for value in (3.0, 1.0, 3.0, 2.0)]
    assert values(chosen(sample(9.0), calibration, 100)) == [9, 3, 1, 2]
    assert values(chosen(sample(9.0), calibration, 1)) == [9]
    assert len(chosen(sample(9.0), calibration)) == VERIFIED_SAMPLES


def test_types_shapes_and_what_is_no_tensor_count_too() -> None:
    one = torch.ones(2)
    samples = [(one,), (one.int(),), (one.reshape(1, 2),), (one, 1), (one, 2), (one, True)]
    assert len(chosen(samples[0], samples, 9)) == len(samples)
    assert len(chosen((torch.tensor(1.0),), [(torch.tensor(1.0),)], 9)) == 1
