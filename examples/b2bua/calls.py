"""What the four scripts have in common: the way to Berth, and one call of the B2BUA service in a line."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import grpc
from b2bua.v1 import b2bua_pb2
from b2bua.v1.b2bua_pb2_grpc import B2BUACallServiceStub

SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n"
CALL_SECONDS = 10.0
# Counts and lists follow an ended call at once; what is asked of another process may need a moment.
SETTLE_SECONDS = 10.0


class CheckFailed(Exception):
    """What Berth did is not what it promises."""


def new_user(name: str) -> str:
    """A user that nobody had before, so that a script finds no calls of an earlier run."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def expect(claim: str, holds: bool, seen: Any = None) -> None:
    """One line for each claim; the first that does not hold ends the script."""
    print(f"  {'ok  ' if holds else 'FAIL'} {claim}" + ("" if holds or seen is None else f": found {seen}"))
    if not holds:
        raise CheckFailed(claim)


class Calls:
    """Calls over gRPC, and what operators see of them over HTTP. Ends what it made."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._admin = options.admin.rstrip("/")
        self._key = options.key
        self._channel = grpc.insecure_channel(options.target)
        self._stub = B2BUACallServiceStub(self._channel)
        self._metadata = [("authorization", f"Bearer {options.key}")] if options.key else None
        self._live: List[str] = []

    def start(self, from_uri: str, to_uri: str = "sip:target@example.com") -> Tuple[Optional[str], Optional[str]]:
        """The id of the call, or why it was refused. Any other failure is raised."""
        request = b2bua_pb2.InitiateCallRequest(from_uri=from_uri, to_uri=to_uri, sdp=SDP)
        try:
            response = self._stub.InitiateCall(request, timeout=CALL_SECONDS, metadata=self._metadata)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                return None, error.details()
            raise
        self._live.append(response.call_id)
        return response.call_id, None

    def fill(self, from_uri: str, tries: int) -> Tuple[List[str], List[str]]:
        """So many calls, one after the other: the ids of those that were admitted, and the refusals."""
        answers = [self.start(from_uri) for _ in range(tries)]
        return [call for call, _ in answers if call], [refusal for _, refusal in answers if refusal]

    def end(self, call_id: str) -> None:
        request = b2bua_pb2.TerminateCallRequest(call_id=call_id, reason="the script is done with it")
        self._stub.TerminateCall(request, timeout=CALL_SECONDS, metadata=self._metadata)
        if call_id in self._live:
            self._live.remove(call_id)

    def active(self, user: str) -> List[str]:
        """The ids of the live calls of a user."""
        request = b2bua_pb2.GetActiveCallsRequest(filter=user)
        stream = self._stub.GetActiveCalls(request, timeout=CALL_SECONDS, metadata=self._metadata)
        return [call.call_id for call in stream]

    def limit_of(self, user: str) -> int:
        """How many calls the user may have; 0 is unlimited."""
        return int(self.admin("GET", f"/api/sessions/limits/{urllib.parse.quote(user, safe='')}")["limit"])

    def admin(self, method: str, path: str, body: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """A call to limits-admin."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._admin + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise OSError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from None

    def close(self) -> None:
        for call_id in list(self._live):
            self.end(call_id)
        self._channel.close()


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds within some seconds."""
    give_up = time.monotonic() + SETTLE_SECONDS
    while not holds():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def _calls(options: argparse.Namespace) -> Iterator[Calls]:
    calls = Calls(options)
    try:
        yield calls
    finally:
        calls.close()


def run(description: str, check: Callable[[Calls, argparse.Namespace], None], *more: Tuple[str, Dict[str, Any]]) -> None:
    """Reads the options, checks, and exits: 0 all holds, 1 something does not, 2 wrong options, 3 Berth is away or refuses the caller."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--target", default=os.environ.get("BERTH_GRPC", "localhost:50051"), help="gRPC, host:port (%(default)s)")
    parser.add_argument("--admin", default=os.environ.get("BERTH_ADMIN_URL", "http://127.0.0.1:8080"), help="limits-admin (%(default)s)")
    parser.add_argument("--key", default=os.environ.get("BERTH_KEY"), help="bearer key of role admin, where keys are configured (BERTH_KEY)")
    for name, settings in more:
        parser.add_argument(name, **settings)
    options = parser.parse_args()
    print(description)
    try:
        with _calls(options) as calls:
            check(calls, options)
    except CheckFailed as failed:
        print(f"Failed: {failed}", file=sys.stderr)
        sys.exit(1)
    except grpc.RpcError as error:
        print(f"{options.target}: {error.code().name}: {error.details()}", file=sys.stderr)
        sys.exit(3)
    except OSError as error:
        print(f"{options.admin}: {error}", file=sys.stderr)
        sys.exit(3)
    print("All of it holds.")
