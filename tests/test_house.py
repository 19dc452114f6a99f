"""The house from outside: locks, package, and the setup script that `make` runs, with Pythons made of shell."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-ci.txt"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PIN = re.compile(r"^[a-z0-9-]+==[\w.]+( ; [\w. '\"<>=!()]+)?( --hash=sha256:[0-9a-f]{64})+$")

# --- locks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_pins_with_hashes_and_nothing_else(lock: str) -> None:
    assert [line for line in _lines(lock) if not PIN.match(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://index.example/simple",
        "--extra-index-url file:///wheels",
        "nh3 @ https://index.example/nh3" + ".whl",
        "nh3==0.3.8",
        "nh3>=0.3 --hash=sha256:" + "0" * 64,
        "# from /home/me/project",
        "-e .",
        "nh3==${VERSION} --hash=sha256:" + "0" * 64,
    ],
)
def test_what_a_lock_may_not_hold_is_found(line: str) -> None:
    assert not PIN.match(line)


def test_each_lock_holds_all_of_the_one_before() -> None:
    run, dev, ci = (set(_lines(lock)) for lock in LOCKS)
    assert run < dev < ci


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.txt", [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["build"]]),
        ("requirements-dev.txt", PROJECT["dependency-groups"]["dev"]),
        ("requirements-ci.txt", [
            *PROJECT["project"]["optional-dependencies"]["browser"], *PROJECT["project"]["optional-dependencies"]["s3"],
            *PROJECT["dependency-groups"]["services"],
        ]),
    ],
)
def test_the_lock_has_what_pyproject_asks_for(lock: str, wanted: list[str]) -> None:
    """Red after a change of pyproject.toml: run `make lock`."""
    pinned = dict(re.match(r"([a-z0-9-]+)==([\w.]+)", line).groups() for line in _lines(lock))
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name), "not in the lock")
        assert version in requirement.specifier, f"{requirement} is {version} in {lock}: run `make lock`"


# Pinned exactly by the one that is declared; or a name that several distributions share.
COMPANIONS = {"botocore": "boto3", "pydantic-core": "pydantic", "backports": "backports-zstd"}
# Of newer Pythons only; the backport is declared for the older ones.
STDLIB_TO_COME = {"compression"}
# Extras whose libraries pipeline/ imports, each in the one file that is loaded only where it is used.
IMPORTED_EXTRAS = ("s3",)
# Never imported: zoneinfo finds it by itself.
UNSEEN = {"tzdata"}


def test_what_the_code_imports_is_declared() -> None:
    assert ", ".join(sorted(_imported() - _declared())) == ""


def test_what_is_declared_is_imported() -> None:
    assert ", ".join(sorted(_declared() - _imported() - UNSEEN)) == ""


def _declared() -> set[str]:
    extras = PROJECT["project"]["optional-dependencies"]
    lines = [*PROJECT["project"]["dependencies"], *(line for extra in IMPORTED_EXTRAS for line in extras[extra])]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def _imported() -> set[str]:
    """The distributions that pipeline/ imports."""
    modules = set()
    for path in ROOT.glob("pipeline/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    # _typeshed exists for type checkers only
    modules -= sys.stdlib_module_names | STDLIB_TO_COME | {"pipeline", "_typeshed"}
    of_module = packages_distributions()
    found = {canonicalize_name(of_module.get(name, [name])[0]) for name in modules}
    return {COMPANIONS.get(name, name) for name in found}


def _lines(lock: str) -> list[str]:
    return re.sub(r"\s*\\\n\s*", " ", (ROOT / lock).read_text()).splitlines()


# --- judges -----------------------------------------------------------------------------------------------

JUDGES = ROOT / "tests" / "judges"


def test_the_judges_lock_is_hashes_and_no_address() -> None:
    wanted = json.loads((JUDGES / "package.json").read_text())["dependencies"]
    lock = json.loads((JUDGES / "package-lock.json").read_text())["packages"]
    assert lock.pop("")["dependencies"] == wanted
    assert wanted == {name: lock[f"node_modules/{name}"]["version"] for name in wanted}, "exact versions"
    for name, package in lock.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, f"{name}: npm install --omit-lockfile-registry-resolved"
    assert re.search(r"npm ci .*--ignore-scripts", (ROOT / ".ci" / "run").read_text()), "vnu-jar would fetch a Java"


# --- package ----------------------------------------------------------------------------------------------


def test_the_wheel_carries_templates_licence_and_command(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True
    )
    (path,) = tmp_path.glob("broadsheet-*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        metadata = wheel.read(next(name for name in names if name.endswith("/METADATA"))).decode()
        commands = wheel.read(next(name for name in names if name.endswith("/entry_points.txt"))).decode()
    files = [*ROOT.glob("templates/**/*.*"), *ROOT.glob("examples/**/*.*")]
    shipped = {f"pipeline/{file.relative_to(ROOT).as_posix()}" for file in files}
    assert shipped
    assert shipped <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "feeds/", "mailbox/")) or name.endswith(".db")]
    assert "Requires-Python: >=3.11" in metadata
    assert "License-Expression: MIT" in metadata
    assert "broadsheet = pipeline.__main__:main" in commands


# --- setting up -------------------------------------------------------------------------------------------

# Answers the questions that .ci/setup asks of a Python, and writes down what it was told to do.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
*version_info*) echo "@VERSION@" ;;
*ensurepip*) exit @VENV@ ;;
"-m venv --clear"*) echo venv >>calls; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
*"-m pip install"*) echo "pip ${*##*--no-deps }" >>calls; [ ! -e offline ] || { cat offline; exit 1; } ;;
*) exit 0 ;;
esac
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with the setup script and two small locks; its bin/ has what a bare machine has, and no Python."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "setup", tmp_path / ".ci" / "setup")
    shutil.copy(ROOT / "Makefile", tmp_path / "Makefile")
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "requirements.txt").write_text("nh3==1 \\\n    --hash=a\nsetuptools==80 \\\n    --hash=b\nzlib==1\n")
    (tmp_path / "requirements-dev.txt").write_text("setuptools==80 \\\n    --hash=b\n")
    (tmp_path / "bin").mkdir()
    for tool in "sh awk cat cksum cp dirname grep make mkdir rm sed sleep".split():
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or pytest.skip(f"{tool} is not installed"))
    return tmp_path


def _python(house: Path, name: str = "python3", version: str = "3.12.1", *, venv: bool = True) -> Path:
    path = house / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(FAKE_PYTHON.replace("@VERSION@", version).replace("@VENV@", "0" if venv else "1"))
    path.chmod(0o755)
    return path


def _setup(house: Path, *locks: str, **env: str) -> tuple[int, str, list[str]]:
    """Exit status, what was said, and what the Pythons were told to do."""
    (house / "calls").unlink(missing_ok=True)
    done = _run(house, "sh", ".ci/setup", *(locks or ["requirements.txt"]), **env)
    calls = (house / "calls").read_text().splitlines() if (house / "calls").exists() else []
    return done.returncode, done.stdout + done.stderr, calls


def _run(house: Path, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        executable=house / "bin" / command[0],
        cwd=house,
        env={"PATH": str(house / "bin"), **env},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def _one_line(said: str) -> str:
    assert said.count("\n") == 1, said
    return said


def test_setup_makes_a_venv_once(house: Path) -> None:
    _python(house)
    status, said, calls = _setup(house)
    assert (status, _one_line(said)) == (0, "Setting up .venv with Python 3.12.1 (once, about a minute) …\n")
    assert calls == [
        "venv",
        "pip --require-hashes -r .venv-setup/build.txt",
        "pip --require-hashes --no-build-isolation -r requirements.txt",
        "pip --no-build-isolation -e .",
    ]
    assert not (house / ".venv-setup").exists()
    assert _setup(house) == (0, "", [])


def test_what_builds_the_rest_is_installed_first_with_its_hashes(house: Path) -> None:
    _python(house)
    (house / "offline").write_text("stop here\n")
    _setup(house)
    assert (house / ".venv-setup" / "build.txt").read_text() == "setuptools==80 \\\n    --hash=b\n"


def test_a_changed_lock_is_installed_into_the_same_venv(house: Path) -> None:
    _python(house)
    _setup(house)
    (house / "requirements.txt").write_text("nh3==2 \\\n    --hash=a\n")
    status, said, calls = _setup(house)
    assert (status, said) == (0, "Bringing .venv up to date …\n")
    assert "venv" not in calls
    assert "pip --require-hashes --no-build-isolation -r requirements.txt" in calls
    assert _setup(house)[2] == []


def test_a_venv_for_developing_is_enough_for_running(house: Path) -> None:
    _python(house)
    _setup(house, "requirements-dev.txt")
    assert _setup(house, "requirements.txt") == (0, "", [])
    assert _setup(house, "requirements-dev.txt") == (0, "", [])


def test_going_to_an_older_lock_and_back_installs_each_time(house: Path) -> None:
    _python(house)
    _setup(house, "requirements-dev.txt")
    lock = house / "requirements.txt"
    newer = lock.read_text()
    lock.write_text("nh3==0 \\\n    --hash=a\n")
    assert _setup(house)[2] != []
    lock.write_text(newer)
    assert _setup(house, "requirements-dev.txt")[2] != []


def test_a_setup_cut_short_starts_afresh(house: Path) -> None:
    _python(house)
    _setup(house)
    (house / ".venv-setup").mkdir()
    (house / ".venv-setup" / "pid").write_text("999999999\n")
    status, said, calls = _setup(house)
    assert status == 0
    assert "Setting up" in said
    assert calls[0] == "venv"
    assert _setup(house) == (0, "", [])


def test_two_setups_at_once_do_not_meet(house: Path) -> None:
    _python(house)
    (house / ".venv-setup").mkdir()
    (house / ".venv-setup" / "pid").write_text(f"{os.getpid()}\n")
    status, said, calls = _setup(house)
    assert (status, calls) == (1, [])
    assert f"process {os.getpid()}" in _one_line(said)


def test_a_moved_folder_gets_a_new_install(house: Path) -> None:
    _python(house)
    _setup(house)
    moved = house.rename(house.with_name("moved"))
    assert _setup(moved)[2] != []


def test_a_venv_whose_python_is_gone_is_made_again(house: Path) -> None:
    _python(house)
    _setup(house)
    (house / ".venv" / "bin" / "python").unlink()
    assert _setup(house)[2][0] == "venv"


def test_a_venv_whose_python_was_replaced_is_made_again(house: Path) -> None:
    _python(house)
    _setup(house)
    (house / ".venv" / "bin" / "python").write_text("#!/bin/sh\necho No module named pip >&2\nexit 1\n")
    assert _setup(house)[2][0] == "venv"


def test_naming_another_python_makes_the_venv_again(house: Path) -> None:
    _python(house)
    _python(house, "python3.13", "3.13.0")
    _setup(house)
    assert _setup(house, PYTHON="python3")[2] == []
    status, said, calls = _setup(house, PYTHON="python3.13")
    assert (status, calls[0]) == (0, "venv")
    assert "Python 3.13.0" in said
    assert _setup(house)[2] == []


@pytest.mark.parametrize("version", ["2.7.18", "3.1.5", "3.9.2", "3.10.13"])
def test_an_old_python_is_told_what_to_do(house: Path, version: str) -> None:
    _python(house, version=version)
    status, said, calls = _setup(house)
    assert (status, calls) == (1, [])
    assert f"needs Python 3.11 or newer (python3 is {version}): install one" in _one_line(said)
    assert not (house / ".venv-setup").exists()


def test_a_newer_python_beside_an_old_one_is_found(house: Path) -> None:
    _python(house, version="3.9.2")
    _python(house, "python3.13", "3.13.0")
    assert _setup(house)[:2] == (0, "Setting up .venv with Python 3.13.0 (once, about a minute) …\n")


def test_no_python_at_all(house: Path) -> None:
    status, said, _ = _setup(house)
    assert status == 1
    assert "needs Python 3.11 or newer (python3 was not found): install one, or name it" in _one_line(said)


def test_the_named_python_is_the_only_one_tried(house: Path) -> None:
    _python(house)
    status, said, _ = _setup(house, PYTHON="python3.99")
    assert status == 1
    assert "python3.99 was not found" in _one_line(said)


def test_a_python_without_venv_is_told_what_to_install(house: Path) -> None:
    _python(house, venv=False)
    status, said, calls = _setup(house)
    assert (status, calls) == (1, [])
    assert "python3 has no venv module" in _one_line(said)
    assert "apt-get install python3-venv" in said


@pytest.mark.parametrize(
    ("log", "advice"),
    [
        ("ERROR: No matching distribution found for nh3==1\n", "check the network"),
        ("NewConnectionError: Failed to establish a new connection\n", "check the network"),
        ("OSError: [Errno 28] No space left on device\n", "No space left on device"),
    ],
)
def test_a_failed_install_says_so_and_the_next_one_recovers(house: Path, log: str, advice: str) -> None:
    _python(house)
    (house / "offline").write_text(log)
    status, said, _ = _setup(house)
    assert status == 1
    assert said.count("\n") == 2, said
    assert advice in said
    assert log in (house / ".venv-setup" / "log").read_text()
    (house / "offline").unlink()
    status, _, calls = _setup(house)
    assert (status, calls[0]) == (0, "venv")


def test_make_passes_the_python_on_and_stops_where_setup_stops(house: Path) -> None:
    _python(house)
    _python(house, "python3.9", "3.9.2")
    done = _run(house, "make", "run", "PYTHON=python3.9")
    assert done.returncode != 0
    assert "python3.9 is 3.9.2" in done.stderr
    assert "broadsheet" not in done.stdout.lower()


def test_make_alone_lists_what_it_can_do(house: Path) -> None:
    done = _run(house, "make")
    for target in ("run", "test", "lint", "faults", "lock", "clean", "help"):
        assert f"make {target}\t" in done.stdout


def test_a_folder_that_cannot_be_written_to_is_named(house: Path) -> None:
    _python(house)
    (house / "bin" / "mkdir").unlink()
    (house / "bin" / "mkdir").write_text("#!/bin/sh\nexit 1\n")  # root may write anywhere, so a folder won't do
    (house / "bin" / "mkdir").chmod(0o755)
    status, said, calls = _setup(house)
    assert (status, calls) == (1, [])
    assert f"can't be written to: {house}" in _one_line(said)
