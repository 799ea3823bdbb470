"""A process that runs tests of ExecuTorch's suite: ``python -m benchmarks.upstream.worker``, started by the suite.

Jobs come as lines of JSON on stdin and answers go out on stdout; everything else goes to stderr. The suite's
``verify_output``, which starts a runner of its own, is replaced by ExecuTorch's runtime in this process. What it
compares, and how exactly, stays the suite's.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import IO, Any

os.environ.setdefault("QNN_SDK_ROOT", "")

import torch

from benchmarks.upstream import stand_ins

SEED = 1126
"""Of each test, so that its random weights and inputs are the same in any process and for both quantizers."""
CLASSES = ("TestQNNQuantizedOperator", "TestQNNQuantizedModel", "TestQNNQuantizedUtils")
RUNNER_ONLY = ("output_callback", "qnn_intermediate_debugger", "op_package_paths", "extra_cmds", "method_index")
RUNNER_ONLY += ("save_inference_speed", "save_heap_result", "input_encodings", "output_encodings")
COUNTED = ("expected_profile_events", "expected_compared_events")


class Result(unittest.TestResult):
    """Keeps why each subtest failed, in one line."""

    def __init__(self) -> None:
        super().__init__()
        self.failed: list[tuple[str, str]] = []

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        """Note it, as the base class does."""
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.failed.append((str(dict(subtest.params)), _line(err[1])))

    def addError(self, test: Any, err: Any) -> None:
        """Note it, as the base class does."""
        super().addError(test, err)
        self.failed.append(("", _line(err[1])))

    def addFailure(self, test: Any, err: Any) -> None:
        """Note it, as the base class does."""
        super().addFailure(test, err)
        self.failed.append(("", _line(err[1])))


def _line(error: BaseException) -> str:
    while not isinstance(error, AssertionError) and error.__cause__ is not None:
        error = error.__cause__
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


def loaded() -> Any:
    """The module of the suite's tests."""
    stand_ins.install()
    from executorch.backends.qualcomm.tests import test_qnn_delegate

    return test_qnn_delegate


def verify_here(errors: list[float]) -> Any:
    """In place of ``verify_output``: notes the largest error in ``errors``, and checks as the suite does."""
    from executorch.runtime import Runtime
    from torch.utils import _pytree as pytree

    def verify_output(
        self: Any, module: Any, sample_inputs: Any, executorch_prog: Any, *args: Any, **options: Any
    ) -> None:
        if any(options.get(name) for name in RUNNER_ONLY) or any(options.get(name, -1) != -1 for name in COUNTED):
            raise unittest.SkipTest("needs the suite's own runner")
        made = module(*sample_inputs)
        made = made["out"] if isinstance(made, collections.OrderedDict) else made
        wanted = [each.detach() for each in (made if isinstance(made, (list, tuple)) else [made])]
        inputs = [leaf for leaf in pytree.tree_leaves(list(sample_inputs)) if isinstance(leaf, torch.Tensor)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.pte")
            path.write_bytes(executorch_prog.buffer)
            method = Runtime.get().load_program(path).load_method("forward")
            outputs = zip(method.execute(inputs), wanted, strict=False)
            got = [output.clone().reshape(like.shape) for output, like in outputs]
        errors.append(max((_error(*pair) for pair in zip(got, wanted, strict=True)), default=0.0))
        self._assert_outputs_equal(got, wanted)

    return verify_output


def _error(got: Any, wanted: Any) -> float:
    """The largest difference as a fraction of the range that is wanted; 0 of what is no finite float."""
    if not wanted.is_floating_point() or not wanted.numel() or not bool(wanted.isfinite().all()):
        return 0.0
    span = float(wanted.max() - wanted.min()) or float(wanted.abs().max()) or 1.0
    return float((got.float() - wanted.float()).abs().max()) / span


def run_one(suite: Any, job: dict[str, Any], errors: list[float]) -> dict[str, Any]:
    """What comes of one test, or the names of all."""
    if job.get("names"):
        names = unittest.TestLoader().getTestCaseNames
        return {"names": [(owner, name) for owner in CLASSES for name in names(getattr(suite, owner))]}
    owner, name = job["cls"], job["test"]
    errors.clear()
    torch.manual_seed(SEED)
    start, result = time.monotonic(), Result()
    getattr(suite, owner)(name).run(result)
    return {
        "ok": result.wasSuccessful() and not result.failed,
        "skipped": [why for _, why in result.skipped],
        "failed": result.failed,
        "rel": list(errors),
        "seconds": round(time.monotonic() - start, 1),
    }


def main(answers: IO[str]) -> None:
    """Answer jobs until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quantizer", choices=("qnnsolve", "upstream"), required=True)
    parser.add_argument("--soc", required=True)
    options = parser.parse_args()
    import qnnsolve.executorch
    from qnnsolve.host.libraries import ensure_loaded

    torch.set_num_threads(1)
    suite = loaded()
    from executorch.backends.qualcomm.tests.utils import TestQNN

    ensure_loaded()
    import executorch.kernels.quantized  # noqa: F401

    if options.quantizer == "qnnsolve":
        qnnsolve.executorch.install()
    errors: list[float] = []
    TestQNN.enable_x86_64, TestQNN.backend, TestQNN.soc_model = True, "htp", options.soc
    TestQNN.verify_output = verify_here(errors)
    for line in sys.stdin:
        answers.write(json.dumps(run_one(suite, json.loads(line), errors)) + "\n")
        answers.flush()
    os._exit(0)  # past QNN's destructors, which may abort


if __name__ == "__main__":
    own = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # tests print, too
    main(own)
