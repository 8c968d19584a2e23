"""The programs that only the benchmarks need; found and installed as the tests' servers are."""

from __future__ import annotations

from tests.servers.installation import NGINX, Program

WRK = Program("wrk", (), debian="wrk", homebrew="wrk")
PGBENCH = Program(
    # Debian's one in PATH is a wrapper that chooses a version by itself.
    "pgbench",
    ("/usr/lib/postgresql/*/bin/pgbench", "/opt/homebrew/opt/postgresql@*/bin/pgbench"),
    debian="postgresql",
    homebrew="postgresql@15",
)
NCHAN = Program(
    "ngx_nchan_module.so",
    ("/usr/lib/nginx/modules/ngx_nchan_module.so",),
    debian="libnginx-mod-nchan",
    homebrew="nginx-full",
)
NODE = Program("node", (), debian="nodejs", homebrew="node")
NPM = Program("npm", (), debian="npm", homebrew="node")
PROGRAMS = (WRK, PGBENCH, NGINX, NCHAN, NODE, NPM)
