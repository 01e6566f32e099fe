"""One user, call after call: as many as the limit are admitted, the next is refused, and the end of one makes room for one."""

from calls import expect, new_user, run


def check(calls, _options):
    user = new_user("simple")
    limit = calls.limit_of(user)
    expect("the user has a limit", limit > 0, limit)
    admitted, refused = calls.fill(f"sip:{user}@example.com", limit + 1)
    expect(f"{limit} of {limit + 1} calls are admitted", len(admitted) == limit, len(admitted))
    expect("each has an id of its own", len(set(admitted)) == limit)
    expect("the refusal says why", refused == [f"session limit exceeded for user {user}"], refused)

    calls.end(admitted[0])
    again, _ = calls.fill(f"sip:{user}@example.com", 1)
    expect("the end of one call makes room for one", len(again) == 1)
    more, _ = calls.fill(f"sip:{user}@example.com", 1)
    expect("and not for two", more == [])


if __name__ == "__main__":
    run(__doc__, check)
