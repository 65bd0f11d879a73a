"""Installs the peers, in the versions of the lock files, below a cache folder."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent.parent
REPOSITORY = HERE.parent


class Unavailable(Exception):
    """A program or a package that is needed is not to be had on this machine."""


@dataclass(frozen=True)
class Installed:
    """Where the peers are."""

    node: Path
    """The program `node`, of the version in package.json."""
    typescript: Path
    """The folder of the TypeScript peers, beside their packages."""
    python: Path
    """The program `python` that knows the packages of the Python peers."""


def cache() -> Path:
    """The folder for what is installed, built and logged."""
    return Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve() / "peers"


def install() -> Installed:
    """Installs what is missing; what is there already costs no network."""
    typescript = _whole("typescript", [HERE / "typescript/package.json", HERE / "typescript/package-lock.json"], _install_npm)
    # Modules are looked for from the folder of the program that imports them.
    for program in (HERE / "typescript").glob("*.mjs"):
        shutil.copy(program, typescript)
    python = _whole("python", [HERE / "python/requirements.txt"], _install_pip)
    return Installed(typescript / "node_modules/.bin/node", typescript, python / "venv/bin/python")


def _whole(name: str, locks: list[Path], fill) -> Path:
    """The folder for these lock files, which is there as a whole or not at all."""
    content = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()[:12]
    folder = cache() / f"{name}-{content}"
    done = folder / "installed"
    if not done.exists():
        print(f"installing the {name} peers in {folder}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for lock in locks:
            shutil.copy(lock, folder)
        fill(folder)
        done.touch()
    return folder


def _install_npm(folder: Path) -> None:
    npm = shutil.which("npm")
    if not npm:
        raise Unavailable("the TypeScript peers need npm, which is not installed")
    _command([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder)


def _install_pip(folder: Path) -> None:
    _command([sys.executable, "-m", "venv", "venv"], folder)
    _command(
        ["venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", "requirements.txt"],
        folder,
    )


def _command(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"`{' '.join(command)}` failed in {folder}: {said[-1] if said else 'it said nothing'}")
