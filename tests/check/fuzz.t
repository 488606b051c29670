#!/bin/bash
# Every corpus through its fuzz target, as built without a fuzzer; through that of the table, the
# golden tables too.
. "$(dirname "$0")/tap.sh"

for corpus in "$top"/fuzz/corpus/*/; do
    name=$(basename "$corpus")
    more=()
    [ "$name" != table ] || more=("$top"/tests/golden/*/*.conf)
    ok "fuzz_$name stands its corpus" "$build/fuzz/replay_$name" "$corpus" "${more[@]}"
done
tap_done
