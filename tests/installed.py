"""The package as somebody gets it who has no checkout: ``make package``.

Builds sdist and wheel, installs the wheel into a fresh environment with nothing but what the base
needs (as locked), and uses it there. Not a part of ``make test``, because it takes half a minute.
"""

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
EXTRAS = ("distributed", "pyarrow", "opentelemetry.sdk", "boto3", "matplotlib", "duckdb")
WITHIN = {"simulator/py.typed", "simulator/scenarios/timeouts.yaml", "simulator/web/rollout.js"}
USE = f"""
import importlib.util, json, sys
from simulator.run import rehearse
finished = rehearse({{"fleet": [{{"cohort": "g", "things": 3, "work": {{"duration": "1s"}}}}],
                     "job": {{"document": {{}}}}}})
assert finished.summary.executions == {{"SUCCEEDED": 3}}, finished.summary.executions
found = [name for name in {EXTRAS!r} if importlib.util.find_spec(name.split(".")[0])]
assert not found, f"the base brings what is an extra's: {{found}}"
"""


def main() -> None:
    """Build, install, use; whatever fails ends it."""
    wheel, sdist = build()
    contents = digests(wheel)
    missing = WITHIN - contents.keys()
    assert not missing, f"not in the wheel: {missing}"
    check_sdist(sdist)
    with tempfile.TemporaryDirectory() as folder:
        again = from_sdist(sdist, Path(folder))
        assert digests(again) == contents, "the sdist builds another wheel"
        python = install(wheel, Path(folder) / "venv")
        use(python, Path(folder))
    size = wheel.stat().st_size // 1024
    print(f"{wheel.name}, {len(contents)} files, {size} KiB: installs and runs")


def run(*words: str | Path, cwd: Path = ROOT, code: int = 0) -> str:
    """A command's output; it must end with ``code``."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def build() -> tuple[Path, Path]:
    """The wheel and the sdist, fresh."""
    for old in DIST.glob("jobfleet-*"):
        old.unlink()
    run(sys.executable, "-m", "hatchling", "build", "-d", str(DIST))
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    return wheel, sdist


def digests(wheel: Path) -> dict[str, str]:
    """Every file of a wheel but the list of its files."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if not name.endswith("/RECORD")
        }


def check_sdist(sdist: Path) -> None:
    """Whatever a packager needs is in it, and nothing that a run left behind."""
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    for wanted in ("README.md", "LICENSE", "tests/conftest.py", "scenarios/timeouts.yaml"):
        assert wanted in names, f"not in the sdist: {wanted}"
    stray = [name for name in names if re.match(r"(runs|build|dist|\.venv)/|.*__pycache__", name)]
    assert not stray, f"in the sdist: {stray[:3]}"


def from_sdist(sdist: Path, folder: Path) -> Path:
    """The wheel that the sdist builds."""
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
        "--no-index", "-w", folder, sdist)  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """A fresh environment with the wheel and the locked versions of what it needs."""
    venv.create(folder, with_pip=True)
    locked = re.findall(r"^(\S+==[^\\\n]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(locked))
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--constraint", constraints, wheel)  # fmt: skip
    return python


def use(python: Path, folder: Path) -> None:
    """As a newcomer would, in a folder of their own."""
    jobfleet = python.with_name("jobfleet")
    assert "rehearse" in run(jobfleet, "--help")
    assert "jobfleet" in run(jobfleet, "--show-completion", "bash")
    run(jobfleet, "init", "mine", cwd=folder)
    told = run(jobfleet, "rehearse", "mine/timeouts.yaml", "--out", "out", cwd=folder)
    assert "Verdict: passed" in told
    assert (folder / "out" / "report.html").stat().st_size > 1_000_000
    assert "update-job-execution" in run(jobfleet, "iot-jobs-data", "help")
    run(jobfleet, "run", "mine/smoke.yaml", "--out", "live", cwd=folder)
    run(python, "-c", USE, cwd=folder)


if __name__ == "__main__":
    main()
