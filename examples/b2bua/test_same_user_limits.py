"""The same user in every way that a From header can write it has one limit; another user has another."""

from calls import expect, new_user, run


def check(calls, _options):
    user, other = new_user("same"), new_user("other")
    limit = calls.limit_of(user)
    expect("the user has a limit", limit > 0, limit)
    spellings = [
        f"sip:{user}@example.com",
        f"sips:{user}@example.com:5061",
        f'"The same" <sip:{user}@example.com>;tag=1',
        f"<sip:{user}@example.com;transport=tcp>",
        f"sip:{user.upper()}@EXAMPLE.com",
    ]
    answers = [calls.start(spellings[index % len(spellings)]) for index in range(limit + len(spellings))]
    admitted = [call for call, _ in answers if call]
    expect(f"all spellings together have {limit} calls", len(admitted) == limit, len(admitted))
    expect("the first so many were admitted", all(call for call, _ in answers[:limit]))

    others, _ = calls.fill(f"sip:{other}@example.com", limit)
    expect("another user is not touched", len(others) == limit, len(others))
    expect("the list of each user's calls has those and no others", sorted(calls.active(user)) == sorted(admitted))
    expect("of the other too", sorted(calls.active(other)) == sorted(others))


if __name__ == "__main__":
    run(__doc__, check)
