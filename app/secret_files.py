"""Secrets from files: `NAME_FILE` beside every secret setting, as systemd and containers hand them over.

A file with a secret belongs to the account that runs us or to root, and nobody else can read it. Its own mode
says so, or its folder, which nobody else can enter. Two places are private by what they are: the folder of
systemd (``CREDENTIALS_DIRECTORY``) and ``/run/secrets`` of a container, whose files have the mode that the
engine gives them.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app.domain.errors import ConfigurationError

PREFIX = "JANUS_MED_"
LARGEST_BYTES = 64 * 1024
_OF_CONTAINERS = Path("/run/secrets")


def read_secret_file(path: Path, *, setting: str) -> str:
    """Return the secret in a file, without the line end after it.

    Raises
    ------
    ConfigurationError
        If it cannot be read, another account can read or change it, or it holds no text.
    """
    require_private_file(path, setting=setting)
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{setting}: {path} cannot be read ({type(error).__name__})") from None
    secret = content.rstrip("\r\n")
    if not secret:
        raise ConfigurationError(f"{setting}: {path} is empty")
    return secret


def require_private_file(path: Path, *, setting: str) -> None:
    """Raise `ConfigurationError` unless a file is there, small, and for our account alone to read."""
    try:
        status = path.stat()
    except OSError as error:
        raise ConfigurationError(f"{setting}: {path} cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_BYTES:
        raise ConfigurationError(f"{setting}: {path} is no file of at most {LARGEST_BYTES // 1024} KiB")
    mode = stat.S_IMODE(status.st_mode)
    forbidden = 0o022 if _is_handed_over(path) else 0o077
    if mode & forbidden:
        how = "read" if mode & forbidden & 0o044 else "changed"
        raise ConfigurationError(
            f"{setting}: {path} can be {how} by other accounts (mode {mode:o}): chmod go= it"
        )
    if status.st_uid not in {os.geteuid(), 0} and not _is_handed_over(path):
        raise ConfigurationError(
            f"{setting}: {path} belongs to the account {status.st_uid}, this process runs as {os.geteuid()}"
        )


def require_private_config(path: Path, settings_cls: type[BaseSettings]) -> None:
    """Refuse a configuration file (TOML) that holds a secret and that other accounts can read.

    Raises
    ------
    ConfigurationError
        Naming the settings.
    """
    try:
        names = set(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        # without the text of the error, which may show a line with a password
        raise ConfigurationError(
            f"JANUS_MED_CONFIG: {path} cannot be read ({type(error).__name__})"
        ) from None
    if held := sorted(names.intersection(secrets_of(settings_cls))):
        require_private_file(path, setting=f"JANUS_MED_CONFIG (with {', '.join(held)})")


def is_secret(info: FieldInfo) -> bool:
    """Tell whether a setting is a secret, which a file may hold and nothing shows."""
    extra = info.json_schema_extra
    return isinstance(extra, Mapping) and bool(extra.get("secret"))


def secrets_of(settings_cls: type[BaseSettings]) -> tuple[str, ...]:
    """Return the names of the secret settings."""
    return tuple(name for name, info in settings_cls.model_fields.items() if is_secret(info))


def _is_handed_over(path: Path) -> bool:
    """Tell whether a file lies where only our own service or container sees it, or in a closed folder."""
    folder, handed = path.absolute().parent, os.environ.get("CREDENTIALS_DIRECTORY")
    if folder == _OF_CONTAINERS or (handed and folder == Path(handed).absolute()):
        return True
    status = folder.stat()
    return status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077


class SecretFiles(PydanticBaseSettingsSource):
    """The source that reads `JANUS_MED_<NAME>_FILE`; asked last, for it refuses a second value."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return what the file of one setting holds; None without one."""
        variable = f"{PREFIX}{field_name.upper()}"
        path = os.environ.get(f"{variable}_FILE", "")
        if not path or not is_secret(field) or field_name in self._given_by("InitSettingsSource"):
            return None, field_name, False
        if field_name in self.current_state:
            raise ConfigurationError(f"{variable} and {variable}_FILE are both given: keep one of them")
        value: Any = read_secret_file(Path(path), setting=f"{variable}_FILE")
        if self.field_is_complex(field):
            try:
                value = self.decode_complex_value(field_name, field, value)
            except ValueError:
                raise ConfigurationError(f"{variable}_FILE: {path} holds no JSON") from None
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets that stand in files."""
        fields = self.settings_cls.model_fields.items()
        found = {name: self.get_field_value(info, name)[0] for name, info in fields}
        return {name: value for name, value in found.items() if value is not None}

    def _given_by(self, source: str) -> Mapping[str, Any]:
        return self.settings_sources_data.get(source, {})
