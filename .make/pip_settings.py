"""What of its user's settings pip is told here: from where it installs, never what or where to.

An index, a proxy or a certificate that somebody's network needs has to be respected. `user = true`,
a target or a prefix would put the packages elsewhere, and constraints would change them.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from typing import Final

_LEFT_OUT: Final = frozenset(
    (
        *("abi", "implementation", "platform", "python-version", "python", "pre"),
        *("prefix", "root", "src", "target", "user", "require-virtualenv"),
        *("build-constraint", "constraint", "editable", "group", "requirement", "require-hashes"),
        *("dry-run", "force-reinstall", "ignore-installed", "upgrade", "report"),
        *("quiet", "verbose"),
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
        if section == wanted and name not in _LEFT_OUT
    }
    return kept | {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
