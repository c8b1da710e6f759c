#!/usr/bin/env bash
# What people run today, restated: a loop over the agent with tee for the raw log, jq for the words, grep for the done word.
#
#   loop.sh ITERATIONS PROMPT_FILE AGENT…
set -uo pipefail

iterations=$1
prompt=$2
shift 2
logs=.loop-logs
pattern=${DONE_PATTERN:-/done}
words='select(.type == "assistant") | .message.content[]? | select(.type == "text") | .text'

mkdir -p "$logs"
for ((iteration = 1; iteration <= iterations; iteration++)); do
  log=$logs/iteration-$iteration.log
  echo "=== iteration $iteration/$iterations ==="
  "$@" <"$prompt" 2>&1 | tee "$log.raw" | jq -r --unbuffered "$words" 2>/dev/null | tee "$log"
  status=${PIPESTATUS[0]}
  ((status == 137)) && echo "out of memory, going on"
  if grep -q -- "$pattern" "$log"; then
    echo "=== done after $iteration iterations ==="
    exit 0
  fi
done
echo "=== $iterations iterations used up ==="
exit 3
