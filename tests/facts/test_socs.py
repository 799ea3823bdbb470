"""The SoC table is ExecuTorch's own."""

from __future__ import annotations

import pytest
from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset, _soc_info_table

from qnnsolve.errors import UnknownNameError
from qnnsolve.facts.socs import Soc, soc, socs

# Copied by hand from qc_schema.py of ExecuTorch 1.5.1: name, arch, VTCM in MiB, number.
TABLE = (
    "QCM6490 V68 2 93",
    "QCS9100 V73 8 77",
    "SA8255 V73 8 52",
    "SA8295 V68 8 39",
    "SA8797 V81 16 72",
    "SAR2230P V81 4 95",
    "SC8380XP V73 8 60",
    "SM8350 V68 4 30",
    "SM8450 V69 8 36",
    "SM8475 V69 8 42",
    "SM8550 V73 8 43",
    "SM8650 V75 8 57",
    "SM8750 V79 8 69",
    "SM8845 V81 8 97",
    "SM8850 V81 8 87",
    "SSG2115P V73 2 46",
    "SSG2125P V73 2 58",
    "SW6100 V81 4 96",
    "SXR1230P V73 2 45",
    "SXR2230P V69 8 53",
    "SXR2330P V79 8 75",
)


def test_all_entries_are_executorch_s() -> None:
    rows = map(str.split, TABLE)
    lpai = {"SAR2230P": "V6", "SM8850": "V6"}
    expected = tuple(Soc(name, arch, int(vtcm), int(chipset), lpai.get(name)) for name, arch, vtcm, chipset in rows)
    assert len(expected) == 21
    assert socs() == expected


@pytest.mark.parametrize("chipset", list(_soc_info_table), ids=lambda each: each.name)
def test_each_entry_is_found_by_name(chipset: QcomChipset) -> None:
    info, low_power = _soc_info_table[chipset].htp_info, _soc_info_table[chipset].lpai_info
    lpai = None if low_power is None else f"V{int(low_power.lpai_hardware_version)}"
    for name in (chipset.name, chipset.name.lower()):
        assert soc(name) == Soc(chipset.name, f"V{int(info.htp_arch)}", info.vtcm_size_in_mb, int(chipset), lpai)


def test_an_unknown_soc_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as error:
        soc("SM8351")
    assert error.value.near[0] == "SM8350"
    with pytest.raises(UnknownNameError):
        soc("UNKNOWN_SM")
