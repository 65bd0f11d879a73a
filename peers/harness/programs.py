"""Programs that peers talk to, and how they end."""

import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from .install import REPOSITORY, Unavailable, cache

READY_WITHIN = 30.0
"""How long a program may take until it is ready, in seconds."""


class Failed(Exception):
    """A program did not start, or a peer could not be run at all."""


def end_in_order() -> None:
    """Makes a request to terminate end what runs in `with` blocks too."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def build(names: list[str]) -> None:
    """Builds programs of this repository, as `cargo` last built them unless something changed."""
    packages = [argument for name in names for argument in ("--package", name)]
    try:
        subprocess.run(["cargo", "build", "--quiet", *packages, "--bins"], cwd=REPOSITORY, check=True)
    except FileNotFoundError:
        raise Unavailable("the programs are built by cargo, which is not installed") from None
    except subprocess.CalledProcessError as error:
        raise Failed(f"the programs {', '.join(names)} cannot be built: cargo ended with {error.returncode}") from None


def program(name: str) -> str:
    """A program of this repository."""
    return str(cache().parent / "debug" / name)


class Running:
    """A program that says `ready URL` on its standard output. It is ended at the end of the `with` block."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.url = ""
        self._name, self._command, self._log = name, command, log

    def __enter__(self) -> Self:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("w") as log:
            self._process = subprocess.Popen(self._command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            self.url = self._ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ready(self) -> str:
        assert self._process.stdout
        until = time.monotonic() + READY_WITHIN
        while select.select([self._process.stdout], [], [], max(0, until - time.monotonic()))[0]:
            line = self._process.stdout.readline()
            if line.startswith("ready "):
                return line.removeprefix("ready ").strip()
            if not line:
                break
        raise Failed(f"{self._name} did not start: see {self._log}")
