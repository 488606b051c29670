#!/bin/bash
# Every corpus through its fuzz target, as built without a fuzzer.
. "$(dirname "$0")/tap.sh"

for corpus in "$top"/fuzz/corpus/*/; do
    name=$(basename "$corpus")
    ok "fuzz_$name stands its corpus" "$build/fuzz/replay_$name" "$corpus"
done
tap_done
