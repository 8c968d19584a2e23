"""What a start or `scoreboard check` has found about a server, a setting or a right."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `warning` is what works and may be meant otherwise; only
    `wrong` keeps an instance from doing its work. Neither text ever holds a secret.
    """

    part: str
    name: str
    state: Literal["ok", "warning", "wrong"]
    what: str
    to_do: str = ""

    @property
    def sentence(self) -> str:
        """What is the matter, and what to do about it."""
        return f"{self.what} {self.to_do}".strip()

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {key: value for key, value in asdict(self).items() if value}
