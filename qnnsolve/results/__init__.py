"""What a solve and an export answer, as plain frozen records: what reports print and JSON carries.

No torch here, so that a saved run can be read anywhere.
"""

from qnnsolve.results.calibration import CalibrationRecord, InfiniteValues, JoinedPart, JoinRecord, Outlier
from qnnsolve.results.checks import ConvertedCheck, Decibels, OutputCheck, Verdict, Verification, in_words
from qnnsolve.results.comparing import BOUND_DB, CompareResult, EmulatedNode, FirstDifference, NodeComparison
from qnnsolve.results.exporting import AT_BORDER, CpuOp, ExportResult, ProgramCall, Stand, Unrunnable
from qnnsolve.results.searching import (
    SearchPoint,
    SearchProgram,
    SearchResult,
    SearchTarget,
    SensitivityRecord,
    UniformRecord,
    decibels,
)
from qnnsolve.results.showing import Shown
from qnnsolve.results.solving import (
    ConflictRecord,
    ConvertRecord,
    Deviation,
    FactsRecord,
    NodeRecord,
    OverriddenRecord,
    Placement,
    SolveResult,
    SourceRecord,
    Status,
    WishRecord,
)

__all__ = [
    "AT_BORDER",
    "BOUND_DB",
    "CalibrationRecord",
    "CompareResult",
    "ConflictRecord",
    "ConvertRecord",
    "ConvertedCheck",
    "CpuOp",
    "Decibels",
    "Deviation",
    "EmulatedNode",
    "ExportResult",
    "FactsRecord",
    "FirstDifference",
    "InfiniteValues",
    "JoinRecord",
    "JoinedPart",
    "NodeComparison",
    "NodeRecord",
    "Outlier",
    "OutputCheck",
    "OverriddenRecord",
    "Placement",
    "ProgramCall",
    "SearchPoint",
    "SearchProgram",
    "SearchResult",
    "SearchTarget",
    "SensitivityRecord",
    "Shown",
    "SolveResult",
    "SourceRecord",
    "Stand",
    "Status",
    "UniformRecord",
    "Unrunnable",
    "Verdict",
    "Verification",
    "WishRecord",
    "decibels",
    "in_words",
]
