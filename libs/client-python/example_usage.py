"""The session manager at work. Start Berth (`npm start`), then: python3 example_usage.py

BERTH_URL and BERTH_ADMIN_URL say where Berth is, BERTH_KEY and BERTH_ADMIN_KEY which keys to use.
"""

import os
import sys
import uuid

from berth import BerthError, SessionManager, SessionRefused

MAX_TRIES = 100


def main() -> int:
    manager = SessionManager(
        os.environ.get("BERTH_URL", "http://127.0.0.1:8081"),
        admin_url=os.environ.get("BERTH_ADMIN_URL", "http://127.0.0.1:8080"),
        key=os.environ.get("BERTH_KEY"),
        admin_key=os.environ.get("BERTH_ADMIN_KEY"),
    )
    user = f"user-{uuid.uuid4().hex[:8]}"  # a new one each time, so that it begins without sessions
    try:
        show(manager, user)
    except BerthError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 1
    return 0


def show(manager: SessionManager, user: str) -> None:
    session = manager.create_session(user, ttl_seconds=3600, metadata={"ip": "192.0.2.10", "user_agent": "example"})
    print(f"Created a session of {session.user_id} that ends at {session.expires_at:%Y-%m-%d %H:%M:%S} UTC")

    found = manager.get_session(session.session_id)
    if found is None:
        raise SystemExit("The session that was just made is not there")
    print(f"Found it by its id, with its metadata: {found.metadata}")

    refusal = fill(manager, user)
    if refusal is None:
        print(f"No limit for {user}: {MAX_TRIES} more sessions were made")
    else:
        print(f"Refused with {refusal.code}: {refusal.limits[0]['active']} of {refusal.limits[0]['max']}")
    print(f"Live sessions of {user}: {len(manager.get_user_sessions(user))}")

    manager.invalidate_session(session.session_id)
    print(f"Ended the first; found now: {manager.get_session(session.session_id)}")
    print(f"Ended the others: {manager.invalidate_user_sessions(user)}")
    print(f"Statistics: {manager.get_session_stats()}")
    print(f"Left to clean up: {manager.cleanup_expired_sessions()}")


def fill(manager: SessionManager, user: str):
    """Makes sessions until one is refused; returns the refusal, or None."""
    for _ in range(MAX_TRIES):
        try:
            manager.create_session(user)
        except SessionRefused as refusal:
            return refusal
    return None


if __name__ == "__main__":
    sys.exit(main())
