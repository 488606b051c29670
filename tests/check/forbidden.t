#!/bin/bash
# Calls that this daemon does not make, and calls that only one place makes.
. "$(dirname "$0")/tap.sh"
cd "$top" || exit 1

# Comments and strings taken away, line numbers kept.
code() {
    local file
    for file in src/*/*.[ch] services/*/*.[ch]; do
        [ -e "$file" ] || continue
        awk -v file="$file" '
            { line = $0; out = ""
              while (line != "") {
                  if (inside) {
                      at = index(line, "*/")
                      if (!at) { line = ""; break }
                      line = substr(line, at + 2); inside = 0
                  } else if (match(line, /\/\*|"([^"\\]|\\.)*"|\/\/.*/)) {
                      out = out substr(line, 1, RSTART - 1)
                      if (substr(line, RSTART, 2) == "/*") inside = 1; else out = out "\"\""
                      line = substr(line, RSTART + RLENGTH)
                  } else { out = out line; line = "" }
              }
              print file ":" FNR ": " out }' "$file"
    done
}

found() { # found WORDS [PLACES ALLOWED]: calls of any of the words, outside the places
    grep -E "(^|[^a-zA-Z0-9_>.])($1) *\(" <<<"$text" | grep -v -E "^(${2:-no place}):"
}

text=$(code)
none "E1, E3: no unbounded string function" \
    "$(found 'strcpy|strcat|sprintf|vsprintf|gets|strtok|strtok_r|scanf|sscanf')"
none "no number is read without a range" "$(found 'atoi|atol|atoll')"
none "no alloca" "$(found 'alloca')"
none "E7: no shell" "$(found 'system|popen|wordexp')"
none "B16: select only in the loop" "$(found 'select|pselect' 'src/loop/[a-z]+\.c')"
none "F1: no signal handler" "$(found 'signal|sigaction' 'src/proc/spawn\.c|src/loop/sig\.c')"
none "C22, C23: dlopen only in plug" "$(found 'dlopen|dlsym|dlclose' 'src/plug/[a-z]+\.c')"
none "E16: libconfig only in conf/table" "$(found 'config_[a-z_]+' 'src/conf/table\.c')"
none "memory only through base/mem" \
    "$(found 'malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|vasprintf' \
        'src/base/mem\.[ch]|services/[a-z]+/[a-z]+\.c')"
none "D1, D7: names are resolved only by the reader" "$(found 'getaddrinfo|gethostbyname|getservbyname' \
    'src/conf/[a-z]+\.c')"
none "D2: host names of peers are never asked for" "$(found 'getnameinfo|gethostbyaddr')"
none "C16: no descriptor outlives exec" "$(found 'accept|pipe|dup|dup2|epoll_create|inotify_init' \
    'src/proc/spawn\.c|src/master/daemon\.c|src/flow/worker\.c')"
none "C8: memory is shared in one place, which workers write and the master only reads" \
    "$(grep -E 'MAP_SHARED' <<<"$text" | grep -v '^src/flow/page\.c:')"
none "E11: a format that is no literal is a warning, and warnings end the build" \
    "$(grep -rlE 'pragma.*-Wformat' src services include; grep -L -e '-Wformat=2' m4/usher.m4)"
none "C11: who a peer is is asked of sockets that strangers connect to, never of our own pairs" \
    "$(grep -E 'SO_PEERCRED' <<<"$text" | grep -v -E '^src/(master/session|flow/(env|admit))\.c:')"
none "no thread" "$(found 'pthread_create|thrd_create')"
none "no typedef but for functions" \
    "$(grep -E ': *typedef ' <<<"$text" | grep -v -E '_fn\)?\(|_fn;')"
# Tests are run by root too, and one that fails may leave a link behind for the next to write through.
none "no test links to a file of the system" \
    "$(grep -rnE 'symlink\(.?"/(etc|usr|var|boot|home|root)' tests fuzz 2>/dev/null |
        grep -v '^tests/check/forbidden.t:')"
tap_done
