"""The child that compiles: ``python -m qnnsolve.lowering.child job.json answer.json``, started by ``lowering``.

ExecuTorch keeps some ops whole for the backend. Where the backend then refuses one, lowering starts again, and leaves
that op on the CPU.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qnnsolve.errors import HostBackendError, UsageError
from qnnsolve.host.child import Reply, Report, serve
from qnnsolve.lowering.delegate_outputs import OutputOrder
from qnnsolve.lowering.light_imports import lightly
from qnnsolve.lowering.placement import CpuPlacement, passes_with
from qnnsolve.lowering.program import calls_of, cpu_ops_of, delegates_in, missing_kernels
from qnnsolve.lowering.shortcuts import exported_already, fit, shortcuts

__all__ = ["work"]

_FAILED_PASS = re.compile(r"An error occurred when running the '(\w+)' pass")
_VENDOR = re.compile(r"^vendor_id\s*:\s*(\S+)", re.MULTILINE)
_NOT_DECOMPOSED = "was not decomposed or delegated"


def work(job: Mapping[str, Any], report: Report) -> Reply:
    """Compile ``job["program"]`` into ``job["pte"]``; the number of delegates, and the ops on the CPU."""
    from qnnsolve.host.libraries import ensure_loaded

    ensure_loaded()
    with lightly() if fit() else contextlib.nullcontext():
        import executorch.exir
        import executorch.kernels.quantized  # noqa: F401  (registers the CPU's quantize and dequantize)
        import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  (registers the ops of a converted model)
    _allow_no_partition()
    _tell_vendor()
    _share_history()
    with shortcuts():
        return _compiled(job, report)


def _compiled(job: Mapping[str, Any], report: Report) -> Reply:
    import torch
    from executorch.backends.qualcomm.utils.utils import to_edge_transform_and_lower_to_qnn
    from executorch.exir import ExecutorchBackendConfig
    from executorch.exir.passes.init_mutable_pass import InitializedMutableBufferPass

    inputs = torch.load(job["inputs"], weights_only=True)
    placement = CpuPlacement()
    placement.install(report)
    order_of_outputs = OutputOrder()
    order_of_outputs.install()

    def lower_once() -> Any:
        passes, order = passes_with(placement)
        specs = _specs(job["soc"], job["fp16"])
        # The delegate would keep buffers that are written to in memory of its own, which starts as garbage.
        options = {"passes_job": passes, "dep_table": order, "skip_mutable_buffer": True}
        # Loaded each time, for lowering changes it.
        with exported_already(torch.export.load(job["program"])) as module:
            return to_edge_transform_and_lower_to_qnn(module, inputs, specs, **options)

    with torch.no_grad():
        try:
            edge = lower_once()
        except RuntimeError as error:
            if _NOT_DECOMPOSED not in str(error) or not placement.give_in():
                raise
            edge = lower_once()
        except Exception as error:  # what ExecuTorch's pass manager raises, with nothing in it but the passes' names
            if (found := _FAILED_PASS.match(str(error))) is None:
                raise
            raise HostBackendError(f"ExecuTorch's pass {found[1]} fails on this model: {_root(error)}") from error
    graph_module = edge.exported_program().graph_module
    order_of_outputs.apply(graph_module)
    # Read now: to_executorch() turns the same graph into calls of out variants and allocations.
    cpu_ops = list(cpu_ops_of(graph_module, placement.reasons))
    answer: dict[str, Any] = {
        "delegates": delegates_in(graph_module),
        "cpu_ops": [[op.name, op.target, op.reason, op.stand.value] for op in cpu_ops],
    }
    # Without it ExecuTorch's runtime leaves those buffers uninitialized, whatever the model has in them.
    initialized = InitializedMutableBufferPass([""])
    executable = edge.to_executorch(ExecutorchBackendConfig(passes=[initialized]))
    answer["missing"] = list(missing_kernels(executable.executorch_program, cpu_ops))
    answer["calls"] = list(calls_of(executable.executorch_program, executable.exported_program().graph_module.graph))
    try:
        with Path(job["pte"]).open("wb") as file:
            executable.write_to_file(file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"the output cannot be written: {error.strerror}") from error
    return answer


def _allow_no_partition() -> None:
    """Let ExecuTorch's partitioner find nothing to delegate.

    Constants that nothing reads go into its last partition; where there is none it fails on an unbound name (1.5.1,
    ``delegation_tag``).
    """
    from executorch.backends.qualcomm.partition.qnn_partitioner import QnnPartitioner

    tag = QnnPartitioner.tag_nodes

    def tagged(self: Any, partitions: Any, edge_program: Any) -> None:
        if partitions:
            tag(self, partitions, edge_program)

    QnnPartitioner.tag_nodes = tagged


def _tell_vendor() -> None:
    """Tell ExecuTorch who made the CPU, as Linux says: 1.5.1 starts a process to ask, which takes a second."""
    from executorch.backends.qualcomm.utils import qnn_sdk_setup

    with contextlib.suppress(OSError):
        if vendor := _VENDOR.search(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")):
            qnn_sdk_setup._read_cpu_vendor = lambda: vendor[1]


def _share_history() -> None:
    """Let nodes share the records of their origin: nobody changes such a record. torch 2.13 copies the whole history of
    a node for every node that a pass makes of it, which takes a sixth of a compilation.
    """
    from torch.fx.traceback import NodeSource

    NodeSource.__deepcopy__ = lambda self, _memo: self  # type: ignore[attr-defined]


def _root(error: BaseException) -> str:
    """What was raised first, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _specs(soc: str, fp16: bool) -> Any:
    from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset
    from executorch.backends.qualcomm.utils.utils import (
        generate_htp_compiler_spec,
        generate_qnn_executorch_compiler_spec,
    )

    options = generate_htp_compiler_spec(use_fp16=fp16)
    return generate_qnn_executorch_compiler_spec(soc_model=QcomChipset[soc], backend_options=options)


if __name__ == "__main__":
    serve(work)
