"""Read settings from environment variables; a wrong one is refused by name, value and what is allowed."""

import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

YES = frozenset({"1", "true", "yes", "on"})
NO = frozenset({"0", "false", "no", "off", ""})


class Environment:
    """The environment variables of this process, each read with its type and its limits."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Read from these variables; empty ones count as unset."""
        self.variables = variables

    def text(self, name: str, default: str = "") -> str:
        """Return the variable as it is, or the default where it is unset or empty."""
        return self.variables.get(name, "").strip() or default

    def required(self, name: str, allowed: str) -> str:
        """Return the variable, or refuse to start if it is unset."""
        value = self.text(name)
        if not value:
            raise ImproperlyConfigured(f"{name} is not set; it must be {allowed}. See docs/operations.md.")
        return value

    def yes_or_no(self, name: str, *, default: bool) -> bool:
        """Return a switch; 1, true, yes, on mean yes and 0, false, no, off mean no."""
        if not self.text(name):
            return default
        value = self.text(name).lower()
        if value not in YES | NO:
            raise refusal(name, value, "one of 1, true, yes, on, 0, false, no, off")
        return value in YES

    def whole_number(self, name: str, default: int, *, minimum: int, maximum: int) -> int:
        """Return a whole number within its limits."""
        value = self.text(name, str(default))
        try:
            number = int(value)
        except ValueError:
            raise refusal(name, value, f"a whole number from {minimum} to {maximum}") from None
        if not minimum <= number <= maximum:
            raise refusal(name, value, f"a whole number from {minimum} to {maximum}")
        return number

    def choice(self, name: str, default: str, allowed: Sequence[str]) -> str:
        """Return one of the allowed words."""
        value = self.text(name, default)
        if value not in allowed:
            raise refusal(name, value, "one of " + ", ".join(allowed))
        return value

    def words(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """Return the parts of a comma-separated list."""
        return [word.strip() for word in self.text(name).split(",") if word.strip()] or list(default)

    def url(self, name: str, default: str, schemes: Sequence[str]) -> str:
        """Return an address whose scheme is one of these."""
        value = self.text(name, default)
        if value and urlsplit(value).scheme not in schemes:
            raise refusal(
                name,
                hide_password(value),
                "an address that starts with " + " or ".join(f"{s}://" for s in schemes),
            )
        return value


def refusal(name: str, value: str, allowed: str) -> ImproperlyConfigured:
    """Make the error for a variable that has a value it may not have."""
    return ImproperlyConfigured(f"{name} is {value!r}; it must be {allowed}. See docs/operations.md.")


def hide_password(url: str) -> str:
    """Return an address without its password, fit for a log."""
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", ":***@") if parts.password else url


def load_env_file(path: Path) -> None:
    """Set the variables of a .env file that are not set yet; a missing file is no error."""
    if path.is_file():
        environ.Env.read_env(path)


def kept_secret_key(data_dir: Path) -> str:
    """Return the secret key kept in the data folder; the first caller makes it, for its owner only."""
    path = data_dir / "secret_key"
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=data_dir, prefix="secret_key-")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(64))
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first, and its key is whole
        finally:
            os.unlink(draft)
    return path.read_text(encoding="ascii").strip()
