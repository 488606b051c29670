#!/bin/bash
# Runs one cmocka program. cmocka says "not ok N # SKIP" of a skipped test, which TAP reads as a
# failure; the exit status stays the program's.
set -o pipefail
"$@" | sed -u 's/^not ok \(.*# SKIP\)/ok \1/'
