# For the scripts in this folder: a line of TAP per check, and the plan at the end.
# Use: . tests/check/tap.sh; ok "what holds" command...; tap_done
top=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${top_builddir:-$top/build}
tap_count=0

tap_result() { # tap_result STATUS TEXT
    tap_count=$((tap_count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tap_count - $2"
    else
        echo "not ok $tap_count - $2"
    fi
}

# Runs a command; its output is shown, as comments, only when it fails.
ok() { # ok TEXT COMMAND...
    local text=$1 output
    shift
    if output=$("$@" 2>&1); then
        tap_result 0 "$text"
    else
        tap_result 1 "$text"
        printf '%s\n' "$output" | sed 's/^/# /'
    fi
}

# Good when the given text (a list of findings) is empty.
none() { # none TEXT FINDINGS
    if [ -z "$2" ]; then
        tap_result 0 "$1"
    else
        tap_result 1 "$1"
        printf '%s\n' "$2" | sed 's/^/# /'
    fi
}

skip() { # skip TEXT REASON
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

skip_all() { # skip_all REASON
    echo "1..0 # SKIP $1"
    exit 0
}

# Ends well whatever was found: who reads TAP counts a bad end as one failure more.
tap_done() {
    echo "1..$tap_count"
}
