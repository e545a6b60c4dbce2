"""PostgreSQL does not run as root: a system account for it then, and folders that it may enter."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.errors import ConfigurationError

ACCOUNT = "pgserver"
_ENTER = stat.S_IXOTH


@dataclass(frozen=True)
class SystemAccount:
    """The account that owns the database files and runs the server."""

    uid: int
    gid: int
    switched: bool

    def process_arguments(self) -> dict[str, Any]:
        """Return the arguments of `subprocess.run` that make a command run as this account alone."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switched else {}

    def give(self, path: Path) -> None:
        """Make the account the owner of `path`."""
        if self.switched:
            os.chown(path, self.uid, self.gid)


def database_account() -> SystemAccount:
    """Return the account for the server: this one, or a system account of its own when this one is root.

    Raises
    ------
    ConfigurationError
        If the system account cannot be made.
    """
    if os.geteuid() != 0:
        return SystemAccount(os.geteuid(), os.getegid(), switched=False)
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        entry = _make_account()
    return SystemAccount(entry.pw_uid, entry.pw_gid, switched=True)


def _make_account() -> pwd.struct_passwd:
    command = [
        "useradd",
        "--system",
        "--user-group",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        ACCOUNT,
    ]
    # another process may have made it in the meantime
    with suppress(OSError, subprocess.CalledProcessError):
        subprocess.run(command, check=True, capture_output=True)
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and the system account {ACCOUNT} could not be made: run as "
            "another user than root, or set JANUS_MED_DATABASE_URL to a server"
        ) from None


def prepare_data_dir(data_dir: Path, account: SystemAccount) -> None:
    """Make the data folder; as root, one that the database's account may enter but not list.

    Only folders below the temporary folder are opened (search permission alone); any other closed folder
    is somebody's decision and is named instead.

    Raises
    ------
    ConfigurationError
        Naming the folder above `data_dir` that the account may not enter.
    """
    data_dir.mkdir(mode=0o711 if account.switched else 0o700, parents=True, exist_ok=True)
    if not account.switched:
        return
    scratch = Path(tempfile.gettempdir()).resolve()
    for folder in (data_dir.resolve(), *data_dir.resolve().parents):
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & _ENTER:
            continue
        if folder != data_dir.resolve() and scratch not in folder.parents:
            raise ConfigurationError(
                f"the embedded PostgreSQL runs as {ACCOUNT}, which may not enter {folder}: choose another "
                "JANUS_MED_DATA_DIR (for example /var/lib/janus-med), or run as another user than root"
            )
        folder.chmod(mode | _ENTER)


def reachable_programs(installed: Path, copy_to: Path, account: SystemAccount) -> Path:
    """Return a folder of PostgreSQL programs that the account may run.

    Parameters
    ----------
    installed
        ``bin`` of the installation inside our environment.
    copy_to
        Where a copy is made when the account cannot reach it (an environment in root's home folder).
    """
    if not account.switched or _runs(installed / "postgres", account):
        return installed
    if not copy_to.exists():
        scratch = Path(tempfile.mkdtemp(dir=copy_to.parent, prefix=f"{copy_to.name}."))
        shutil.copytree(installed.parent, scratch, dirs_exist_ok=True, symlinks=True)
        for path in (scratch, *scratch.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        scratch.rename(copy_to)
    return copy_to / installed.name


def _runs(program: Path, account: SystemAccount) -> bool:
    command = [str(program), "--version"]
    arguments = account.process_arguments()
    try:
        return subprocess.run(command, check=False, capture_output=True, **arguments).returncode == 0
    except PermissionError:
        return False
