"""The scenarios that come with the package, written where somebody wants to begin from them.

Rule 1: what is there already and is not the same is left alone: one error, and nothing is written.
Rule 2: a file stands there whole or not at all.
"""

from pathlib import Path
from typing import Final

from simulator.errors import UsageError

HERE: Final = Path(__file__).parent
PLACES: Final = (HERE / "scenarios", HERE.parent / "scenarios")
"""In an installed package, and in the repository."""


def scenarios() -> dict[str, bytes]:
    """Every scenario that comes with the package, by its file's name.

    Raises:
        UsageError: the installation has none.
    """
    for place in PLACES:
        found = {path.name: path.read_bytes() for path in sorted(place.glob("*.yaml"))}
        if found:
            return found
    raise UsageError(f"no scenarios in {PLACES[0]}: the installation is not whole; install it anew")


def write(folder: Path) -> list[Path]:
    """Write them all into a folder, which is made; return what stands there now.

    Raises:
        UsageError: a file of that name is there and is another, or the folder cannot be written.
    """
    wanted = {folder / name: content for name, content in scenarios().items()}
    try:
        others = [path for path, content in wanted.items() if _differs(path, content)]
        if others:
            named = ", ".join(path.name for path in others[:3]) + (" …" if others[3:] else "")
            raise UsageError(
                f"{folder}: {len(others)} files are there already and differ ({named}); nothing "
                "was written: give another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in wanted.items():
            aside = path.with_name(f".{path.name}.part")
            try:
                aside.write_bytes(content)
                aside.replace(path)
            finally:
                aside.unlink(missing_ok=True)
    except OSError as error:
        where = error.filename or folder
        raise UsageError(f"{where}: cannot be written: {error.strerror}") from None
    return list(wanted)


def _differs(path: Path, content: bytes) -> bool:
    return path.exists() and (not path.is_file() or path.read_bytes() != content)
