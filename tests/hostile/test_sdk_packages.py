"""An SDK's Python package is asked in a child: whatever it does, one line says so, and the solve goes on without it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qnnsolve import cli
from qnnsolve.facts.sdk import MODULE, SdkFacts, SdkState, sdk_facts
from qnnsolve.facts.socs import soc
from qnnsolve.host import trial
from qnnsolve.opinfo_facts import operator_facts

COMPILER = shutil.which("cc") or shutil.which("gcc")
GENUINE = (Path(__file__).parents[1] / "backend_opinfo_stand_in.py").read_text().partition("def install(")[0]
GENUINE += """
HTP, LPAI = "htp", "lpai"

class BackendOpInfo:
    def __init__(self, backend, soc_model):
        self.asked = backend, soc_model.name

    def get_all_supported_ops(self):
        return list(OPERATORS)

    def get_op_info(self, op):
        return OPERATORS[op]
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(trial, "TIMEOUT", 5.0)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for cached in (sdk_facts, operator_facts):
        cached.cache_clear()
    yield
    for cached in (sdk_facts, operator_facts):
        cached.cache_clear()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QNN_SDK_ROOT", str(tmp_path / "sdk"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / "sdk"


def install(root: Path, code: str) -> Path:
    """A package whose module has this code; its folder."""
    folder = root / "lib" / "python"
    for part in MODULE.split(".")[:-1]:
        folder /= part
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    (folder / "backend_opinfo.py").write_text(code)
    return folder


def asked() -> SdkFacts:
    facts = sdk_facts("htp", soc("SM8750"), "V79")
    assert "\n" not in facts.detail and len(facts.detail) < 1_000
    assert not [name for name in sys.modules if name.partition(".")[0] == "qti"], "the command has loaded it"
    assert not list(Path(os.environ["TMPDIR"]).iterdir())
    return facts


def test_a_genuine_one_is_read(root: Path) -> None:
    install(root, GENUINE)
    facts = asked()
    assert facts.state is SdkState.READ and {"Conv2d", "Relu", "Softmax", "Tanh"} - set(facts.tables) == {"Softmax"}
    assert facts.tables["Tanh"].cases[0].rows[0].fixed[0].zero_point == 32768
    assert facts.variants["Conv2d"][0].inputs[1].quantization[0].axis == (3,)


RUDE = "class Rude(BaseException):\n    def __str__(self): raise ValueError\n"
NOISE = "import os, sys\nfor fd in range(3): os.write(fd, b'noise')\nprint('more')\n"
INSIDE = {  # how it begins, and what is done in place of an answer: of it, of its list of operators, of one of them
    "abort": ("import os", "os.abort()", "died of SIGABRT"),
    "crash": ("import ctypes", "ctypes.string_at(8)", "died of SIGSEGV"),
    "exit": ("import os", "os._exit(0)", "ended without an answer"),
    "exit 3": ("import os", "os._exit(3)", "ended with exit code 3"),
    "system exit": ("import sys", "sys.exit(0)", "SystemExit"),
    "spin": ("", "[0 for _ in iter(int, 1)]", "did not finish within 5 s"),
    "memory": ("", "bytearray(2**45)", "MemoryError"),
    "deaf": ("import os, signal, time", "[signal.pthread_sigmask(0, range(1, 32)), time.sleep(60)]", "within 5 s"),
    "noise": ("import os", "[os.write(fd, b'x' * 2**20) for fd in (1, 2) for _ in iter(int, 1)]", "File too large"),
    "rude": (RUDE, "(_ for _ in ()).throw(Rude())", "its message cannot be read"),
    "recursion": ("def go(): return go()", "go()", "RecursionError"),
    "huge text": ("", "(_ for _ in ()).throw(ValueError('x' * 10**7))", "ValueError: xxx"),
    "lines": ("", "(_ for _ in ()).throw(ValueError('a\\nb\\udce9'))", "ValueError: a b\\udce9"),
    "closed": ("import os", "[os.close(fd) for fd in range(3, 50)] and None.x", "BackendOpInfo"),
}
PLACES = {
    "import": ("{begin}\n{do}", "its module was imported"),
    "constructor": ("{begin}\n" + GENUINE.replace("self.asked =", "{do}\n        self.asked ="), "it was made"),
    "operators": ("{begin}\n" + GENUINE.replace("return list(OPERATORS)", "{do}"), "its operators were listed"),
    "variants": ("{begin}\n" + GENUINE.replace("return OPERATORS[op]", "{do}"), "Concat was read"),
}


@pytest.mark.parametrize(
    ("how", "place"),
    [(how, list(PLACES)[at % len(PLACES)]) for at, how in enumerate(INSIDE)] + [("abort", place) for place in PLACES],
)
def test_whatever_it_does(how: str, place: str, root: Path) -> None:
    begin, do, said = INSIDE[how]
    code, doing = PLACES[place]
    future = "from __future__ import annotations\n"
    install(root, future + code.replace(future, "").replace("{begin}", begin).replace("{do}", do))
    start = time.monotonic()
    facts = asked()
    assert time.monotonic() - start < 15
    assert facts.state is SdkState.FAILED and said in facts.detail
    assert facts.detail.endswith(f", while {doing}") and (str(root) in facts.detail or "htp on SM8750" in facts.detail)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("return list(OPERATORS)", "import itertools; return itertools.count()"), "more than 5,000 things"),
        (("return list(OPERATORS)", "return 7"), "TypeError"),
        (("return list(OPERATORS)", "return ['Relu\\n\\x1b[2J']"), "it names an operator 'Relu"),
        (("return list(OPERATORS)", "return ['x' * 10**7]"), "it names an operator 'xxx"),
        (("return OPERATORS[op]", "import itertools; return itertools.repeat(OPERATORS[op][0])"), "more than 5,000"),
        (("scale=0.00390625", "scale=0.0"), "a scale of 0.0"),
        (("scale=0.00390625", "scale=float('nan')"), "a scale of nan"),
        (("scale=0.00390625", "scale='x'"), "ValueError"),
        (("offset=0", "offset=10**40"), "an offset of 1"),
        (("axis=(3,)", "axis=(10**40,)"), "an axis of 1"),
        (("axis=(3,)", "axis=(float('inf'),)"), "OverflowError"),
    ],
)
def test_what_it_says_is_checked(change: tuple[str, str], said: str, root: Path) -> None:
    assert change[0] in GENUINE
    install(root, GENUINE.replace(*change))
    facts = asked()
    assert facts.state is SdkState.FAILED and said in facts.detail


def test_twelve_open_ports_in_every_variant(root: Path) -> None:
    """Each combination would be a row: without a bound they are made for hours."""
    line = 'OPERATORS = {f"Op{n}": [Variant((Port(DTYPES["s8"]),) * 8, (U8,))] * 50 for n in range(100)}\n'
    install(root, GENUINE + line + 'OPERATORS["Relu"] = [Variant((Port(DTYPES["s8"]),) * 12, (U8,))]')
    start = time.monotonic()
    facts = asked()
    assert facts.state is SdkState.READ and "Relu" not in facts.tables
    assert time.monotonic() - start < 20


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("#include <stdlib.h>\n__attribute__((constructor)) static void go(void) { abort(); }", "died of SIGABRT"),
        ("__attribute__((constructor)) static void go(void) { for (;;); }", "did not finish within 5 s"),
        ("extern int nobody(void);\nint go(void) { return nobody(); }", "undefined symbol: nobody"),
    ],
)
def test_the_library_is_named(source: str, said: str, root: Path) -> None:
    folder = install(root, "from . import _native")
    native = folder / "_native.so"
    command = [str(COMPILER), "-shared", "-fPIC", "-Wl,-z,now", "-x", "c", "-", "-o", str(native)]
    subprocess.run(command, input=source.encode(), check=True)
    facts = asked()
    assert said in facts.detail
    assert facts.detail.endswith(f", while its module was imported; the last library that it loaded is {native}")


def test_what_it_starts_does_not_outlive_it(root: Path) -> None:
    code = (
        "import subprocess\nsubprocess.Popen(['sleep', '4711.5'])\nimport os, time\nif os.fork() == 0: time.sleep(60)\n"
    )
    install(root, GENUINE + code)
    start = time.monotonic()
    assert asked().state is SdkState.READ and time.monotonic() - start < 5
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in running if b"4711.5" in line]


def test_without_a_package_no_process_is_started(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qnnsolve.facts.sdk.try_in_child", lambda *_: pytest.fail("started one"))
    facts = asked()
    assert facts.state is SdkState.ABSENT
    assert "No module named 'qti'" in facts.detail and str(root) in facts.detail


def test_a_package_without_the_module_is_absent(root: Path) -> None:
    install(root, "").with_name("common").joinpath("backend_opinfo.py").unlink()
    facts = asked()
    assert facts.state is SdkState.ABSENT and "No module named 'qti.aisw" in facts.detail


@pytest.mark.parametrize(("source", "code"), [("both", 0), ("sdk", 3)])
def test_on_the_command_line(source: str, code: int, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the measured facts the solve goes on, and says so; the SDK's alone cannot be had."""
    install(root, "import os\nos.abort()")
    (root.parent / "nets.py").write_text("import torch\ndef net(): return torch.nn.ReLU(), (torch.ones(1, 4),)\n")
    command = ["solve", f"{root.parent}/nets.py:net", "--soc", "SM8750", "--facts-source", source, "--format", "json"]
    assert cli.main(command) == code
    out, err = capsys.readouterr()
    assert "died of SIGABRT, while its module was imported" in (err if code else json.dumps(json.loads(out)["facts"]))
    assert err.count("\n") == (1 if code else 0)
