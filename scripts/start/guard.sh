#!/bin/sh
# Stands by while `npm start` runs, in a session of its own. Its standard input closes when start.mjs is gone, however it went;
# unless the line "done" came first, it ends what was left behind: the apps, without a grace (SIGINT), then Redis, which saves its data on
# SIGTERM.
#
# Input, a line each: "app PID", "redis PID", "done".
trap '' INT HUP TERM

# Waits until these processes are gone, at most ten seconds.
gone() {
  tenths=0
  for pid in "$@"; do
    while kill -0 "$pid" 2>/dev/null && [ "$tenths" -lt 100 ]; do
      sleep 0.1
      tenths=$((tenths + 1))
    done
  done
}

apps=
redis=
while read -r kind pid; do
  case $kind in
    app) apps="$apps $pid" ;;
    redis) redis=$pid ;;
    done) exit 0 ;;
  esac
done

# shellcheck disable=SC2086  # a list of numbers
{
  kill -INT $apps
  gone $apps
  kill -KILL $apps
  kill -TERM $redis
} 2>/dev/null
