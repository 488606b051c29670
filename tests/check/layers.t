#!/bin/bash
# src/LAYERS says who may include whom; services see the public header and nothing else.
. "$(dirname "$0")/tap.sh"
cd "$top" || exit 1

wrong_includes() {
    awk 'FILENAME ~ /LAYERS$/ { if ($0 ~ /^#/) next; name = $1; sub(":", "", name); $1 = name
                                may[name] = " " $0 " "; next }
         match($0, /^#include "[a-z]+\//) {
             split($2, to, /["\/]/); split(FILENAME, in_, "/")
             if (index(may[in_[2]], " " to[2] " ") == 0)
                 print FILENAME ":" FNR ": " in_[2] " may not include " to[2] }' \
        src/LAYERS src/*/*.[ch]
}

unlisted_folders() {
    for folder in src/*/; do
        name=$(basename "$folder")
        grep -q "^$name:" src/LAYERS || echo "$folder is not in src/LAYERS"
    done
}

bare_includes() { # an include within src/ names its folder
    grep -n '^#include "' src/*/*.[ch] | grep -v -e '"[a-z]*/[a-z_]*\.h"' -e '"builtin-services.h"'
}

service_includes() {
    grep -n '^#include "' services/*/*.[ch] | while IFS=: read -r file line text; do
        header=$(printf '%s' "$text" | cut -d'"' -f2)
        [ -e "$(dirname "$file")/$header" ] || echo "$file:$line: a service sees <usher/service.h> only"
    done
}

none "every include goes down the layers" "$(wrong_includes)"
none "every folder of src is in LAYERS" "$(unlisted_folders)"
none "includes are written with the folder" "$(bare_includes)"
none "services include nothing of the daemon" "$(service_includes)"
tap_done
