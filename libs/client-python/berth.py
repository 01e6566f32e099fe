"""Sessions of a user service, limited and kept by Berth. Python 3.8 or newer; the standard library is all it needs.

    from berth import SessionManager

    manager = SessionManager("http://127.0.0.1:8081", admin_url="http://127.0.0.1:8080")
    session = manager.create_session("alice", ttl_seconds=3600, metadata={"ip": "192.0.2.10"})

A session id is a secret: everyone who has it is logged in. Berth is given only its SHA-256, so nobody can log in with what stands
in its books, history, exports or logs.
"""

from __future__ import annotations

import hashlib
import json
import random
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, Iterator, List, Mapping, Optional

__all__ = ["BerthError", "BerthUnavailable", "Session", "SessionManager", "SessionRefused"]

PROTOCOL = "user-session"
"""The policy is that of `sessions.user-session` in Berth's configuration, else of `sessions.default`."""

HANDLE_PREFIX = "sha256:"
PAGE_SIZE = 1000
STATISTICS_HOURS = 24
FIRST_PAUSE_SECONDS = 0.05
MAX_PAUSE_SECONDS = 1.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024


class BerthError(Exception):
    """Berth refused the call, or could not be asked. `code` is Berth's own and never changes; `status` is that of HTTP, 0 where no answer came."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class BerthUnavailable(BerthError):
    """No answer in time, or Berth cannot decide now. Whether the call took effect is not known; it may be made again."""


class SessionRefused(BerthError):
    """The user may not have one more session now: `code` is that of the first full limit, `limits` has every one that was full."""

    def __init__(self, code: str, message: str, limits: List[Dict[str, Any]], retry_after: Optional[int]) -> None:
        super().__init__(code, message, 429)
        self.limits = limits
        self.retry_after = retry_after


@dataclass(frozen=True)
class Session:
    """A live session.

    `session_id` is the secret where the manager made the session or was given it. In lists it is the handle (`sha256:…`), which ends a
    session and opens none.
    """

    session_id: str
    user_id: str
    created_at: datetime
    expires_at: Optional[datetime]
    metadata: Dict[str, Any] = field(default_factory=dict)


class SessionManager:
    """Makes, finds and ends the sessions of users. One manager may be used by any number of threads.

    `url` is that of an admission-gateway. `admin_url`, that of limits-admin, is needed for all that is about the sessions of a user
    and for statistics. `key` and `admin_key` are bearer keys, of role `node` or `admin` for the one and `admin` for the other (`operator` suffices
    to read). `timeout_seconds` bounds each wait for a server, and how long a call without an answer is made again.
    """

    def __init__(
        self,
        url: str,
        *,
        admin_url: Optional[str] = None,
        key: Optional[str] = None,
        admin_key: Optional[str] = None,
        timeout_seconds: float = 5.0,
    ) -> None:
        if not timeout_seconds > 0:
            raise ValueError("timeout_seconds must be more than 0")
        self._gateway = _Server(url, key, timeout_seconds)
        self._admin = None if admin_url is None else _Server(admin_url, admin_key or key, timeout_seconds)

    def create_session(
        self, user_id: str, ttl_seconds: Optional[int] = None, metadata: Optional[Mapping[str, Any]] = None
    ) -> Session:
        """A new session of the user. `ttl_seconds` may only shorten what Berth's configuration allows.

        Raises SessionRefused where a limit is full, BerthUnavailable where Berth cannot be asked; no session is left then: one that was
        made although its answer was lost is ended, and ends by its time should that fail too.
        """
        if not user_id:
            raise ValueError("user_id must not be empty")
        secret = secrets.token_urlsafe(32)
        body: Dict[str, Any] = {"sessionId": _handle_of(secret), "user": user_id, "protocol": PROTOCOL}
        if ttl_seconds is not None:
            body["ttlSeconds"] = ttl_seconds
        if metadata is not None:
            body["metadata"] = dict(metadata)
        try:
            answer = self._gateway.call("POST", "/v1/sessions", body)
        except BerthUnavailable:
            self._forget(body["sessionId"])
            raise
        return _session_of(answer["session"], secret)

    def get_session(self, session_id: str) -> Optional[Session]:
        """The live session with this id; None where there is none, or none any more.

        Handles open nothing: their session is None.
        """
        if session_id.startswith(HANDLE_PREFIX):
            return None
        try:
            record = self._gateway.call("GET", _path("/v1/sessions", _handle_of(session_id)))
        except BerthError as error:
            if error.code in ("session-unknown", "session-ended"):
                return None
            raise
        return None if record.get("endedAt") is not None else _session_of(record, session_id)

    def invalidate_session(self, session_id: str) -> bool:
        """Ends the session with this id or handle. False where Berth does not know it; True, and True again, where it does."""
        handle = session_id if session_id.startswith(HANDLE_PREFIX) else _handle_of(session_id)
        try:
            self._gateway.call("DELETE", _path("/v1/sessions", handle))
        except BerthError as error:
            if error.code == "session-unknown":
                return False
            raise
        return True

    def invalidate_user_sessions(self, user_id: str) -> int:
        """Ends all sessions of the user, of whatever kind. Returns how many."""
        answer = self._admin_server().call("DELETE", _path("/api/sessions/users", user_id, "sessions"), {})
        return int(answer["terminated"])

    def get_user_sessions(self, user_id: str) -> List[Session]:
        """The live sessions of the user, of whatever kind, each with its handle in place of its id."""
        return [_session_of(record, record["id"]) for record in self._live_sessions(user_id)]

    def cleanup_expired_sessions(self) -> int:
        """How many sessions were left to clean up: none. Berth ends each when its time is over, by itself."""
        return 0

    def get_session_stats(self) -> Dict[str, int]:
        """`active_sessions`: live now; `expired_sessions`: began within the last 24 hours and are over; `total_sessions`: both."""
        admin = self._admin_server()
        window = {"window_hours": STATISTICS_HOURS}
        stats = admin.call("GET", "/api/sessions/stats", query=window)
        live = {"hours": STATISTICS_HOURS, "status": "active", "page_size": 1}
        began_and_live = admin.call("GET", "/api/sessions/history", query=live)["total"]
        active = int(stats["active_sessions"])
        expired = max(0, int(stats["total_sessions"]) - int(began_and_live))
        return {"total_sessions": active + expired, "active_sessions": active, "expired_sessions": expired}

    def _live_sessions(self, user_id: str) -> Iterator[Dict[str, Any]]:
        query: Dict[str, Any] = {"username": user_id, "limit": PAGE_SIZE}
        while True:
            page = self._admin_server().call("GET", "/api/sessions/active", query=query)
            # A record that Berth could not read has nothing but its id.
            yield from (record for record in page["sessions"] if "startedAt" in record)
            if page["nextCursor"] is None:
                return
            query["cursor"] = page["nextCursor"]

    def _forget(self, handle: str) -> None:
        try:
            self._gateway.call_once("DELETE", _path("/v1/sessions", handle))
        except BerthError:
            pass  # it ends when its time is over, or was never made

    def _admin_server(self) -> _Server:
        if self._admin is None:
            raise ValueError("this needs limits-admin: SessionManager(url, admin_url=…)")
        return self._admin


class _Server:
    """One of Berth's servers, asked over HTTP. Every call that is made here may be repeated, so one without an answer is."""

    def __init__(self, url: str, key: Optional[str], timeout_seconds: float) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"expected a URL such as http://127.0.0.1:8081, got {url!r}")
        self._url = url.rstrip("/")
        self._headers = {"Accept": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._timeout_seconds = timeout_seconds

    def call(
        self,
        method: str,
        path: str,
        body: Optional[Mapping[str, Any]] = None,
        query: Optional[Mapping[str, Any]] = None,
    ) -> Dict[str, Any]:
        """What is answered, as JSON; an empty answer is {}. Raises BerthError."""
        deadline = time.monotonic() + self._timeout_seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            left = deadline - time.monotonic()
            try:
                return self.call_once(method, path, body, query, max(left, 0.001))
            except BerthUnavailable:
                pause = min(pause * 2, MAX_PAUSE_SECONDS)
                wait = pause * random.uniform(0.5, 1.0)  # so that the callers of a server that returns do not all come at once
                if time.monotonic() + wait >= deadline:
                    raise
                time.sleep(wait)

    def call_once(
        self,
        method: str,
        path: str,
        body: Optional[Mapping[str, Any]] = None,
        query: Optional[Mapping[str, Any]] = None,
        timeout_seconds: Optional[float] = None,
    ) -> Dict[str, Any]:
        """As `call`, and given up at once where no answer comes."""
        url = self._url + path + ("" if query is None else "?" + urllib.parse.urlencode(query))
        headers = dict(self._headers)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with _OPENER.open(request, timeout=timeout_seconds or self._timeout_seconds) as response:
                return _json_in(response.read(MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise _error_of(error.code, error.read(MAX_ANSWER_BYTES), error.headers.get("Retry-After")) from None
        except (OSError, ValueError) as error:  # no connection, none in time, or cut off; or what came is not JSON
            raise BerthUnavailable("unavailable", f"{self._url} did not answer: {error}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Berth never redirects, and a key is for nobody else."""

    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


# Not by the proxies of the environment: an address of the loopback range would not be reached by them.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def _error_of(status: int, answer: bytes, retry_after: Optional[str]) -> BerthError:
    try:
        problem = _json_in(answer)
    except ValueError:
        problem = {}
    code = str(problem.get("code") or f"http-{status}")
    message = "; ".join(
        [str(problem.get("detail") or problem.get("title") or f"HTTP status {status}")]
        + [f"{error.get('path')}: {error.get('message')}" for error in problem.get("errors", [])]
    )
    if status >= 500:
        return BerthUnavailable(code, message, status)
    if problem.get("decision") == "rejected":
        seconds = int(retry_after) if retry_after is not None and retry_after.isdigit() else None
        return SessionRefused(code, message, problem.get("limits", []), seconds)
    return BerthError(code, message, status)


def _json_in(data: bytes) -> Dict[str, Any]:
    value = json.loads(data) if data else {}
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")
    return value


def _path(*parts: str) -> str:
    first, *names = parts
    return "/".join([first, *(urllib.parse.quote(name, safe="") for name in names)])


def _handle_of(secret: str) -> str:
    return HANDLE_PREFIX + hashlib.sha256(secret.encode()).hexdigest()


def _session_of(record: Mapping[str, Any], session_id: str) -> Session:
    return Session(
        session_id=session_id,
        user_id=record["user"],
        created_at=_time_in(record["startedAt"]),
        expires_at=None if record["expiresAt"] is None else _time_in(record["expiresAt"]),
        metadata=record["metadata"] or {},
    )


def _time_in(text: str) -> datetime:
    # Before Python 3.11 fromisoformat knows neither Z nor every number of digits after the point.
    seconds, _, fraction = text.rstrip("Z").partition(".")
    whole = datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return whole + timedelta(seconds=float(f"0.{fraction or 0}"))
