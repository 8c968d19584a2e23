"""What of its user's settings pip is told here: from where it installs, never what or where to.

An index, a proxy or a certificate that somebody's network needs has to be respected. `user = true`,
a target or a prefix would put the packages elsewhere, constraints would change them, and of some of
them there is nothing but the wheel that `no-binary` refuses.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from typing import Final

# Where from, and how one gets there: whatever else a pip of any version can be told is left out.
_KEPT: Final = frozenset(
    (
        *("index-url", "extra-index-url", "no-index", "find-links"),
        *("proxy", "trusted-host", "cert", "client-cert", "keyring-provider", "no-input"),
        *("retries", "resume-retries", "timeout", "default-timeout"),
        *("cache-dir", "no-cache-dir", "use-feature", "use-deprecated"),
    )
)
# The later goes before the earlier, as pip has it.
_SECTIONS: Final = ("global", "install", ":env:")


def environment(python: str) -> dict[str, str]:
    """The variables with which this Python's pip installs here.

    Raises subprocess.CalledProcessError where pip cannot read its configuration.
    """
    # These would have another Python answer, or nobody.
    asked_with = {
        name: value for name, value in os.environ.items() if name not in ("PIP_PYTHON", "PIP_QUIET")
    }
    listed = subprocess.run(
        [python, "-I", "-m", "pip", "-vvv", "config", "list"],
        env=asked_with,
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    )
    others = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return others | _kept(listed.stdout)


def _kept(listed: str) -> dict[str, str]:
    """Turn lines like `install.timeout='9'` into variables, in the place of all configuration."""
    settings = re.findall(r"^([\w:]+)\.([\w-]+)=(.+)$", listed, re.MULTILINE)
    kept = {
        f"PIP_{name.upper().replace('-', '_')}": str(ast.literal_eval(value))
        for wanted in _SECTIONS
        for section, name, value in settings
        if section == wanted and name in _KEPT  # guard: make-pip-told
    }
    return kept | {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
