"""Against a real Berth, which berth.e2e.spec.ts starts: five sessions per user, everything else as by default."""

import os
import socket
import sys
import threading
import time
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from berth import BerthError, BerthUnavailable, SessionManager, SessionRefused  # noqa: E402

URL = os.environ["BERTH_URL"]
ADMIN_URL = os.environ["BERTH_ADMIN_URL"]
LIMIT = 5


def new_user() -> str:
    return f"user-{uuid.uuid4().hex}"


class ASession(unittest.TestCase):
    def setUp(self) -> None:
        self.manager = SessionManager(URL, admin_url=ADMIN_URL, timeout_seconds=30)
        self.user = new_user()

    def test_is_found_by_its_id_as_it_was_made(self) -> None:
        metadata = {"ip": "192.0.2.1", "roles": ["admin", "ops"], "name": "Zoë"}
        session = self.manager.create_session(self.user, ttl_seconds=3600, metadata=metadata)
        self.assertEqual((session.user_id, session.metadata), (self.user, metadata))
        self.assertEqual(self.manager.get_session(session.session_id), session)
        self.assertEqual(session.expires_at - session.created_at, timedelta(seconds=3600))
        self.assertLess(abs(session.created_at - datetime.now(timezone.utc)), timedelta(minutes=5))

    def test_ids_have_128_bits_or_more_and_are_never_the_same(self) -> None:
        ids = {self.manager.create_session(self.user).session_id for _ in range(LIMIT)}
        self.assertEqual(len(ids), LIMIT)
        self.assertTrue(all(len(one) * 6 >= 128 for one in ids))

    def test_is_gone_once_it_is_invalidated(self) -> None:
        session = self.manager.create_session(self.user)
        self.assertTrue(self.manager.invalidate_session(session.session_id))
        self.assertIsNone(self.manager.get_session(session.session_id))
        self.assertTrue(self.manager.invalidate_session(session.session_id))

    def test_is_none_where_nobody_made_it(self) -> None:
        self.assertIsNone(self.manager.get_session("never made"))
        self.assertFalse(self.manager.invalidate_session("never made either"))

    def test_ends_when_its_time_is_over(self) -> None:
        session = self.manager.create_session(self.user, ttl_seconds=1)
        give_up = time.monotonic() + 60
        while self.manager.get_session(session.session_id) is not None:
            self.assertLess(time.monotonic(), give_up)
            time.sleep(0.05)
        self.assertGreaterEqual(datetime.now(timezone.utc), session.expires_at)

    def test_works_for_the_names_that_users_have(self) -> None:
        for user in ("+14155551234", f"a.b+{self.user}@c", "名前/?#%"):
            session = self.manager.create_session(user)
            self.assertIn(session.created_at, [one.created_at for one in self.manager.get_user_sessions(user)])
            self.assertGreaterEqual(self.manager.invalidate_user_sessions(user), 1)
            self.assertIsNone(self.manager.get_session(session.session_id))

    def test_what_is_not_valid_is_refused_with_the_field(self) -> None:
        with self.assertRaises(BerthError) as caught:
            self.manager.create_session(self.user, ttl_seconds=0)
        self.assertEqual((caught.exception.code, caught.exception.status), ("invalid-request", 400))
        self.assertIn("ttlSeconds", str(caught.exception))
        with self.assertRaises(ValueError):
            self.manager.create_session("")


class AUser(unittest.TestCase):
    def setUp(self) -> None:
        self.manager = SessionManager(URL, admin_url=ADMIN_URL, timeout_seconds=30)
        self.user = new_user()

    def test_hears_which_limit_is_full(self) -> None:
        for _ in range(LIMIT):
            self.manager.create_session(self.user)
        with self.assertRaises(SessionRefused) as caught:
            self.manager.create_session(self.user)
        self.assertEqual(caught.exception.code, "user-limit-exceeded")
        self.assertEqual([(one["scope"], one["max"], one["active"]) for one in caught.exception.limits], [("user", LIMIT, LIMIT)])

    def test_never_has_more_than_the_limit_after_50_logins_at_once(self) -> None:
        barrier = threading.Barrier(50)

        def log_in(_):
            barrier.wait()
            try:
                return self.manager.create_session(self.user)
            except SessionRefused:
                return None

        with ThreadPoolExecutor(50) as pool:
            sessions = [session for session in pool.map(log_in, range(50)) if session is not None]
        self.assertEqual(len(sessions), LIMIT)
        self.assertEqual(len(self.manager.get_user_sessions(self.user)), LIMIT)
        self.assertTrue(all(self.manager.get_session(one.session_id) for one in sessions))

    def test_is_logged_out_everywhere(self) -> None:
        sessions = [self.manager.create_session(self.user) for _ in range(3)]
        self.assertEqual(self.manager.invalidate_user_sessions(self.user), 3)
        self.assertEqual([self.manager.get_session(one.session_id) for one in sessions], [None] * 3)
        self.assertEqual(self.manager.get_user_sessions(self.user), [])
        self.assertEqual(self.manager.invalidate_user_sessions(self.user), 0)

    def test_lists_have_handles_that_end_a_session_and_open_none(self) -> None:
        session = self.manager.create_session(self.user)
        (listed,) = self.manager.get_user_sessions(self.user)
        self.assertNotEqual(listed.session_id, session.session_id)
        self.assertIsNone(self.manager.get_session(listed.session_id))
        self.assertTrue(self.manager.invalidate_session(listed.session_id))
        self.assertIsNone(self.manager.get_session(session.session_id))


class Statistics(unittest.TestCase):
    def wait_for_history(self, manager: SessionManager) -> None:
        """History has what came before a session once it has the end of that."""
        marker = new_user()
        manager.invalidate_session(manager.create_session(marker).session_id)
        give_up = time.monotonic() + 60
        while marker.encode() not in urlopen(f"{ADMIN_URL}/api/sessions/history?status=closed&user={marker}").read():
            self.assertLess(time.monotonic(), give_up)
            time.sleep(0.05)

    def test_count_what_lives_and_what_is_over(self) -> None:
        manager, user = SessionManager(URL, admin_url=ADMIN_URL, timeout_seconds=30), new_user()
        self.wait_for_history(manager)
        before = manager.get_session_stats()
        kept, over = (manager.create_session(user) for _ in range(2))
        manager.invalidate_session(over.session_id)
        give_up = time.monotonic() + 60  # history follows within a second or so
        while (now := manager.get_session_stats())["expired_sessions"] != before["expired_sessions"] + 1:
            self.assertLess(time.monotonic(), give_up, now)
            time.sleep(0.05)
        manager.invalidate_session(kept.session_id)
        self.assertEqual(now["active_sessions"], before["active_sessions"] + 1)
        self.assertEqual(now["total_sessions"], before["total_sessions"] + 2)
        self.assertEqual(manager.cleanup_expired_sessions(), 0)


class BerthAway(unittest.TestCase):
    def test_is_an_error_that_says_where_within_the_time(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = "http://127.0.0.1:%d" % free.getsockname()[1]  # bound, and nobody listens
            manager = SessionManager(url, timeout_seconds=0.3)
            for call in (lambda: manager.create_session("alice"), lambda: manager.get_session("x")):
                with self.assertRaises(BerthUnavailable) as caught:
                    call()
                self.assertEqual(caught.exception.code, "unavailable")
                self.assertIn(url, str(caught.exception))

    def test_a_login_whose_answer_was_lost_is_not_made_twice(self) -> None:
        user = new_user()
        with LostAnswers(URL, how_many=2) as url:
            session = SessionManager(url, timeout_seconds=30).create_session(user)
        manager = SessionManager(URL, admin_url=ADMIN_URL, timeout_seconds=30)
        self.assertIsNotNone(manager.get_session(session.session_id))
        self.assertEqual(len(manager.get_user_sessions(user)), 1)

    def test_a_login_that_was_given_up_leaves_no_session(self) -> None:
        user = new_user()
        with LostAnswers(URL, how_many=1, hang_up=False) as url:
            # The time is over with the answer that never comes; the end that follows gets through.
            with self.assertRaises(BerthUnavailable):
                SessionManager(url, timeout_seconds=5).create_session(user)
        manager = SessionManager(URL, admin_url=ADMIN_URL, timeout_seconds=30)
        self.assertEqual(manager.get_user_sessions(user), [])

    def test_without_limits_admin_what_needs_it_says_so(self) -> None:
        with self.assertRaisesRegex(ValueError, "admin_url"):
            SessionManager(URL).get_user_sessions("alice")
        with self.assertRaisesRegex(ValueError, "expected a URL"):
            SessionManager("127.0.0.1:8081")


class LostAnswers:
    """A way to Berth that loses the first answers: hangs up instead, or lets the caller wait until it does."""

    def __init__(self, url: str, how_many: int, hang_up: bool = True) -> None:
        host, port = url.rsplit("/", 1)[-1].split(":")
        self._berth = (host, int(port))
        self._left = how_many
        self._hang_up = hang_up
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> str:
        threading.Thread(target=self._listen, daemon=True).start()
        return "http://127.0.0.1:%d" % self._listener.getsockname()[1]

    def __exit__(self, *_error) -> None:
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, socket.create_connection(self._berth) as berth:
            berth.sendall(_message(caller))
            answer = _message(berth)
            if self._left == 0:
                caller.sendall(answer)
                return
            self._left -= 1
            if not self._hang_up:
                caller.recv(1)


def _message(connection: socket.socket) -> bytes:
    """One HTTP message, whose length its head says; a connection that is used for no other."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(lengths[0] if lengths else 0):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


if __name__ == "__main__":
    unittest.main(verbosity=2)
