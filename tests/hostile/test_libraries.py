"""A broken SDK is tried in a child: it says which library did what, and nothing happens to the command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from qnnsolve.errors import HostBackendError
from qnnsolve.host import libraries, trial

COMPILER = shutil.which("cc") or shutil.which("gcc")
GOOD = "int fine(void) { return 0; }"
INTERFACE = """
static const char* id = "v\\xff\\xfe.oops";
static unsigned long get_id(const char** out) { *out = id; return 0; }
static void* provider[64];
static void* list[1];
unsigned long QnnInterface_getProviders(void* providers, unsigned* count) {
    provider[9] = get_id;
    list[0] = provider;
    *(void***)providers = list;
    *count = 1;
    return 0;
}
"""
BROKEN = {
    "abort": ("#include <stdlib.h>\n__attribute__((constructor)) static void go(void) { abort(); }", "died of SIGABRT"),
    "crash": ("__attribute__((constructor)) static void go(void) { *(volatile int*)8 = 1; }", "died of SIGSEGV"),
    "endless": (
        "#include <unistd.h>\n__attribute__((constructor)) static void go(void) { for (;;) pause(); }",
        "within 3 s",
    ),
    "exit": (
        "#include <stdlib.h>\n__attribute__((constructor)) static void go(void) { exit(0); }",
        "ended without an answer",
    ),
    "no symbol": (GOOD, "undefined symbol: QnnInterface_getProviders"),
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if COMPILER is None:
        pytest.skip("needs a C compiler")
    (tmp_path / "lib" / "x86_64-linux-clang").mkdir(parents=True)
    monkeypatch.setenv("QNN_SDK_ROOT", str(tmp_path))
    monkeypatch.setattr(libraries, "ensure_loaded", lambda: pytest.fail("loaded into the command itself"))
    monkeypatch.setattr(trial, "TIMEOUT", 3.0)
    return tmp_path


def build(root: Path, name: str, source: str) -> None:
    target = root / "lib" / "x86_64-linux-clang" / name
    command = [str(COMPILER), "-shared", "-fPIC", "-x", "c", "-", "-o", str(target)]
    subprocess.run(command, input=source.encode(), check=True)


@pytest.mark.parametrize("library", ["libQnnSystem.so", "libQnnHtp.so"])
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_library_is_named(how: str, library: str, root: Path) -> None:
    source, said = BROKEN[how]
    if (how, library) == ("no symbol", "libQnnSystem.so"):
        return
    build(root, "libQnnSystem.so", source if library == "libQnnSystem.so" else GOOD)
    build(root, "libQnnHtp.so", source if library == "libQnnHtp.so" else INTERFACE)
    with pytest.raises(HostBackendError) as error:
        libraries.ensure_compiler("htp")
    assert said in str(error.value) and "\n" not in str(error.value)
    assert str(root) in str(error.value) and f", while {library} was " in str(error.value)


def test_a_file_that_is_no_library(root: Path) -> None:
    build(root, "libQnnHtp.so", INTERFACE)
    (root / "lib" / "x86_64-linux-clang" / "libQnnSystem.so").write_bytes(b"no ELF")
    with pytest.raises(
        HostBackendError, match=r"do not load: .*libQnnSystem\.so: .*, while libQnnSystem\.so was loaded"
    ):
        libraries.ensure_compiler("htp")


def test_a_build_id_may_be_any_bytes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(root, "libQnnSystem.so", GOOD)
    build(root, "libQnnHtp.so", INTERFACE)
    with pytest.raises(HostBackendError, match="which was not tested") as error:
        libraries._version(libraries.opened(root / "lib" / "x86_64-linux-clang")[1])
    assert "v\\xff\\xfe.oops" in str(error.value)
    monkeypatch.setattr(libraries, "ensure_loaded", lambda: None)
    libraries.ensure_compiler("htp")
