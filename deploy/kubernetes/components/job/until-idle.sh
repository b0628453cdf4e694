#!/bin/sh
# halving-worker for a Job. 0 says to a Job that all is done: true of a worker that left since there
# was nothing more to do, and not of one that was told to leave. That one ends with 143.
told='' worker=''
# shellcheck disable=SC2317  # The trap calls it.
tell_worker() {
  told=1
  if [ -n "$worker" ]; then kill -TERM "$worker"; fi
}
trap tell_worker TERM
halving-worker "$@" &
worker=$!
wait "$worker"
code=$?
if [ -n "$told" ]; then  # The wait was cut short.
  wait "$worker"
  code=143
fi
exit "$code"
