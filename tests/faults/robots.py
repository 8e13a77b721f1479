"""Bad robots.txt: unreachable, refused, huge, redirected and wrong ones, with what each lets a crawler do."""

from __future__ import annotations

from tests.faults.bad_answer import BadAnswer, sound
from tests.faults.replies import after, body, in_turn, redirect, reset, status, text
from tests.faults.server import Reply

FLAC = sound()
CLOSED = "User-agent: *\nDisallow: /a\n"
FILLER = "# nothing to see here\n"
HALF_MIB = 500 * 1024


def _padded(num_bytes: int) -> str:
    return (FILLER * (num_bytes // len(FILLER) + 1))[: num_bytes - 1] + "\n"


def _hops(number: int, end: Reply) -> dict[str, Reply]:
    names = ["/robots.txt", *(f"/robots-{hop}.txt" for hop in range(1, number + 1))]
    hops = {one: redirect(other) for one, other in zip(names, names[1:], strict=False)}
    return hops | {names[-1]: end}


def _robots(name: str, reply: Reply, status: str = "ok", *, retryable: bool = False, requests: int | None = None):
    return _case(name, {"/robots.txt": reply}, status, retryable=retryable, requests=requests)


def _case(
    name: str, replies: dict[str, Reply], status: str, *, retryable: bool = False, requests: int | None = None
) -> BadAnswer:
    served = replies | {"/a": body(FLAC, "audio/flac")}
    asked = requests if requests is not None else int(status == "ok")
    gives = FLAC if status == "ok" else None
    return BadAnswer(name=name, replies=served, status=status, is_retryable=retryable, requests=asked, gives=gives)


UNREACHABLE = "robots_unreachable"
HTML = b"<!DOCTYPE html><html><body><h1>Welcome</h1>User-agent: * <br>Disallow: / </body></html>"
ROBOTS = (
    _robots("robots_500", status(500), UNREACHABLE, retryable=True),
    _robots("robots_503", status(503), UNREACHABLE, retryable=True),
    _robots("robots_429", status(429), UNREACHABLE, retryable=True),
    _robots("robots_404", status(404)),
    _robots("robots_410", status(410)),
    _robots("robots_401", status(401), "robots"),
    _robots("robots_403", status(403), "robots"),
    _robots("robots_reset", reset(), UNREACHABLE, retryable=True),
    _robots("robots_silence", after(60, status(404)), UNREACHABLE, retryable=True),
    _robots("robots_disallow", text(CLOSED), "robots"),
    _robots("robots_rule_before_500_kib", text(_padded(HALF_MIB - 1024) + CLOSED + _padded(100 * 1024)), "robots"),
    _robots("robots_rule_after_500_kib", text(_padded(600 * 1024) + CLOSED)),
    _robots("robots_html", body(HTML, "text/html")),
    _robots("robots_bom", text("\ufeff" + CLOSED), "robots"),
    _robots("robots_allow_wins_a_tie", text("User-agent: *\nDisallow: /a\nAllow: /a\n")),
    _robots("robots_ours", text(f"User-agent: *\nAllow: /\n\nUser-agent: Sotto\n{CLOSED.splitlines()[1]}\n"), "robots"),
    _case("robots_redirects_5", _hops(5, text(CLOSED)), "robots"),
    _case("robots_redirects_6", _hops(6, text(CLOSED)), "robots"),
    _case("robots_redirect_loop", {"/robots.txt": redirect("/robots.txt")}, UNREACHABLE, retryable=True),
    _robots("robots_redirect_file", redirect("file:///etc/passwd"), UNREACHABLE),
    _robots("robots_redirect_private", redirect("http://169.254.169.254/robots.txt"), UNREACHABLE),
    _robots("robots_delay_of_an_hour", text("User-agent: *\nCrawl-delay: 3600\n"), "host_deferred", retryable=True),
    _robots("robots_better_later", in_turn(status(503), text("User-agent: *\nAllow: /\n"))),
    _robots("robots_ai_agents", text("User-agent: GPTBot\nDisallow: /\n"), "opted_out"),
    _robots("robots_train_ai", text("User-agent: *\nContent-Usage: train-ai=n\nAllow: /\n"), "opted_out"),
    _robots("robots_content_signal", text("User-agent: *\nContent-Signal: ai-train=no\nAllow: /\n"), "opted_out"),
)
