"""Many callers at once, over gRPC and with --sip over SIP: no user ever has more calls than the limit, and nothing is left behind."""

import argparse
import os
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from calls import CheckFailed, eventually, expect, new_user, run


SCENARIO = Path(__file__).resolve().parent / "caller.xml"


def check(calls, options):
    users = [new_user("stress") for _ in range(options.users)]
    limit = calls.limit_of(users[0])
    expect("the users have a limit", limit > 0, limit)
    tries = [user for user in users for _ in range(options.calls)]
    together = threading.Barrier(min(options.at_once, len(tries)))

    def start(index):
        if index < together.parties:
            together.wait()  # the first begin at the same moment
        return tries[index], calls.start(f"sip:{tries[index]}@example.com")

    with ThreadPoolExecutor(options.at_once) as pool:
        answers = list(pool.map(start, range(len(tries))))
    wanted = min(limit, options.calls)
    for user in users:
        admitted = [call for name, (call, _) in answers if name == user and call]
        if len(admitted) != wanted or sorted(calls.active(user)) != sorted(admitted):
            expect(f"{user} has {wanted} calls", False, len(admitted))
    expect(f"each of {len(users)} users has exactly {wanted} of {options.calls} calls", True)

    with ThreadPoolExecutor(options.at_once) as pool:
        list(pool.map(calls.end, [call for _, (call, _) in answers if call]))
    expect("nothing is left behind", all(calls.active(user) == [] for user in users))
    if options.sip:
        over_sip(calls, options)


def over_sip(calls, options):
    """SIPp makes the calls of one user at once, through a proxy that asks Berth: as many as the limit are answered, the others hear 486."""
    sipp = shutil.which("sipp")
    if sipp is None:
        raise CheckFailed("--sip needs sipp (apt-get install sip-tester)")
    user = new_user("sip")
    limit, tries = calls.limit_of(user), options.calls
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "users.csv").write_text(f"SEQUENTIAL\n{user};\n")
        command = [sipp, options.sip, "-sf", SCENARIO, "-inf", folder / "users.csv", "-i", "127.0.0.1", "-nostdin", "-m", tries, "-l", tries]
        command += ["-r", tries, "-timeout", "60", "-trace_logs", "-log_file", folder / "calls.log"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([str(word) for word in command], cwd=folder, env={**os.environ, "TERM": "xterm"}, **quiet) as process:
            try:
                most = 0
                while process.poll() is None:
                    most = max(most, len(calls.active(user)))
            finally:
                process.kill()
        log = folder / "calls.log"
        heard = Counter(log.read_text().split("\n") if log.exists() else [])
    answered, busy = heard["RESULT 200"], heard["RESULT 486"]
    expect(f"over SIP {min(limit, tries)} of {tries} calls are answered", answered == min(limit, tries), answered)
    expect("the others are busy (486)", busy == tries - answered, busy)
    expect("the list never has more than the limit", 0 < most <= limit, most)
    expect("nothing of them is left behind", eventually(lambda: calls.active(user) == []))


def number(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


if __name__ == "__main__":
    run(
        __doc__,
        check,
        ("--users", {"type": number, "default": 10, "help": "how many (%(default)s)"}),
        ("--calls", {"type": number, "default": 20, "help": "that each tries (%(default)s)"}),
        ("--at-once", {"type": number, "default": 50, "help": "callers at the same time (%(default)s)"}),
        ("--sip", {"metavar": "HOST:PORT", "help": "a SIP proxy that asks Berth, such as examples/kamailio: its calls are tried too"}),
    )
