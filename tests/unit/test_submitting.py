"""Submissions of the JavaScript client, in Node, without a service: whose they are, when a lost one
is sent again.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import scoreboard
from tests.node import NODE

CLIENT = Path(scoreboard.__file__).parent / "web" / "client" / "scoreboard-client.js"

# `ada` submits, the answer is lost, and somebody logs in before the next attempt.
PROGRAM = """
const { Actions, Session } = await import(process.argv[1]);
const sent = [];
const said = (status, document) => new Response(JSON.stringify(document), { status });
globalThis.fetch = async (address, { headers, body }) => {
  const { pathname } = new URL(address);
  if (pathname === "/api/auth/login") {
    const { username } = JSON.parse(body);
    const tokens = { accessToken: username, refreshToken: username, expiresIn: 900 };
    return said(200, { ...tokens, userId: username, username });
  }
  sent.push(headers.Authorization);
  if (sent.length > 1) return said(400, { code: "already_granted", grant: { actionId: "run" } });
  const logIn = () => session.enter("login", { username: process.argv[2], password: "-" });
  setTimeout(logIn); // once the loss is known, and before the next attempt
  throw new TypeError("the answer is lost");
};
const session = new Session({ url: "http://scores.example" });
await session.enter("login", { username: "ada", password: "-" });
const submitted = await new Actions({ session }).submit("run").catch(({ code }) => ({ code }));
console.log(JSON.stringify({ sent, submitted }));
"""


def submitted(who_is_next: str) -> Any:
    """What was sent, and what became of the submission."""
    arguments = ["--input-type=module", "-e", PROGRAM, CLIENT.as_uri(), who_is_next]
    done = subprocess.run([NODE, *arguments], check=True, text=True, capture_output=True)
    return json.loads(done.stdout)


def test_a_lost_submission_is_never_sent_for_who_logs_in_meanwhile() -> None:
    assert submitted("bob") == {"sent": ["Bearer ada"], "submitted": {"code": "left"}}


def test_a_lost_submission_is_sent_again_for_who_submitted_it() -> None:
    found = submitted("ada")
    assert found["sent"] == ["Bearer ada", "Bearer ada"]
    assert found["submitted"] == {"actionId": "run", "score": None}
