"""What operators set and see: limits changed by REST hold for the next call, lists agree, and a call ended by REST is gone."""

from urllib.parse import quote

from calls import eventually, expect, new_user, run


def check(calls, _options):
    user = new_user("verify")
    uri = f"sip:{user}@example.com"
    limit_path = f"/api/sessions/limits/{user}"
    try:
        answer = calls.admin("PUT", limit_path, {"limit": 2})
        expect("a limit of 2 is set", answer.get("success") is True and calls.limit_of(user) == 2, answer)
        admitted, refused = calls.fill(uri, 3)
        expect("2 calls are admitted, the third is refused", (len(admitted), len(refused)) == (2, 1))

        seen = calls.admin("GET", f"/api/sessions/users/{user}")
        expect("operators see 2 of 2", (seen["activeSessions"], seen["limit"]) == (2, 2), seen)
        listed = [one["id"] for one in calls.admin("GET", f"/api/sessions/active?username={user}")["sessions"]]
        expect("the same calls over REST and gRPC", sorted(listed) == sorted(calls.active(user)) == sorted(admitted))

        calls.admin("DELETE", f"/api/sessions/{quote(admitted[0], safe='')}")
        expect("a call that is ended by REST is gone", eventually(lambda: calls.active(user) == admitted[1:]))
        expect("and makes room for one", len(calls.fill(uri, 2)[0]) == 1)

        calls.admin("PUT", limit_path, {"limit": 1})
        expect("a smaller limit ends no call", len(calls.active(user)) == 2)
        expect("and admits none", calls.fill(uri, 1)[0] == [])
        calls.admin("PUT", limit_path, {"limit": 0})
        expect("0 is unlimited", len(calls.fill(uri, 20)[0]) == 20)
        expect("the refusals are on record", eventually(lambda: refusals_of(calls, user) >= 3), refusals_of(calls, user))
    finally:
        calls.admin("DELETE", limit_path)
    expect("without a limit of its own the user has that of all", calls.limit_of(user) == calls.limit_of(new_user("anybody")))


def refusals_of(calls, user):
    found = calls.admin("GET", "/api/sessions/violations?limit=1000")["violations"]
    return sum(one.get("count", 1) for one in found if one["username"] == user)


if __name__ == "__main__":
    run(__doc__, check)
