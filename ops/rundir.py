"""The folder of a stack: its data, its logs, its credentials, and the note that says where it runs."""

import fcntl
import json
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ops import ports


class InUseError(Exception):
    """Another stack runs in the folder."""


@dataclass(frozen=True)
class Stack:
    """A running stack: where it answers, its supervisor, and the settings that make a command work on it."""

    url: str
    pid: int
    env: dict[str, str]


@dataclass(frozen=True)
class RunDir:
    """Paths and small files below one folder; nothing outside of it is written."""

    path: Path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder; the system lets go of it when this process ends, however it ends.

        Raises:
            InUseError: another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stack = self._read("stack.json")
                where = f" and answers at {stack['url']} (process {stack['pid']})" if stack else ", still starting"
                raise InUseError(f"A stack already runs in {self.path}{where}. Stop it, or set RUN_DIR.") from None
            yield

    def running(self) -> Stack | None:
        """Return the stack that runs in this folder and is ready, or None."""
        stack = self._read("stack.json")
        if not stack:  # without a look at the lock, which would be in the way of a stack that starts now
            return None
        try:
            with self.held():
                self.forget()
        except InUseError:
            return Stack(**stack)
        return None

    @contextmanager
    def announced(self, stack: Stack) -> Iterator[None]:
        """Tell other commands about the stack as long as the context lasts."""
        self._write("stack.json", asdict(stack))
        try:
            yield
        finally:
            self.forget()

    def forget(self) -> None:
        """Remove the note of a stack that runs no more."""
        (self.path / "stack.json").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder and all its data.

        Raises:
            InUseError: a stack runs in it.
        """
        if (self.path / "lock").exists():  # else it is none of ours
            with self.held():
                shutil.rmtree(self.path)

    def scratch(self) -> Path:
        """Return an empty folder for files in the making; what a killed worker left is removed."""
        folder = self.path / "scratch"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder.resolve()

    def credentials(self) -> tuple[str, str]:
        """Return access key and secret key of the local servers, made up at the first call."""
        kept = self._read("credentials.json")
        if not kept:
            kept = {"access_key": secrets.token_hex(10), "secret_key": secrets.token_hex(20)}
            self._write("credentials.json", kept)
        return kept["access_key"], kept["secret_key"]

    def ports(self, names: Iterable[str], taken: Collection[int]) -> dict[str, int]:
        """Return a free port for each name, the one of the last run where possible: stored URLs carry it.

        None of them is `taken`: spoken for by somebody who does not listen there yet.
        """
        picked = ports.pick(names, self._read("ports.json"), taken)
        self._write("ports.json", picked)
        return picked

    def _read(self, name: str) -> dict[str, Any]:
        """Return what was written under the name, or nothing."""
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return content

    def _write(self, name: str, content: object) -> None:
        """Write a file that only its owner reads, whole or not at all."""
        partial = self.path / f"{name}.partial"
        partial.unlink(missing_ok=True)
        partial.touch(0o600)
        partial.write_text(json.dumps(content, indent=2), encoding="utf-8")
        partial.replace(self.path / name)
