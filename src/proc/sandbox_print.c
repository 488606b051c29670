#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <usher/service.h>

#include "base/fd.h"
#include "base/str.h"
#include "proc/sandbox.h"

#define STATUS_TEXT 8192

/* ---- /proc/self/status ------------------------------------------------------------- */

/* The value behind "\nName:\t", up to the end of its line; "" where there is none. */
static char *value_of(const char *status, const char *name, char *out, size_t room)
{
    size_t length = strlen(name);
    const char *line = status;

    out[0] = '\0';
    while (line != NULL && !(str_starts(line, name) && line[length] == ':')) {
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    if (line == NULL)
        return out;
    line += length + 1;
    line += strspn(line, " \t");
    snprintf(out, room, "%.*s", (int)strcspn(line, "\n"), line);
    return out;
}

/* "990" where all four are 990, else all of them. */
static void add_id(struct str *text, const char *status, const char *name, const char *as)
{
    char value[128], *at = value_of(status, name, value, sizeof(value));
    unsigned long first = strtoul(at, &at, 10);
    bool is_same = true;

    for (int i = 0; i < 3; i++)
        is_same = strtoul(at, &at, 10) == first && is_same;
    for (char *c = value; *c != '\0'; c++)
        if (isspace((unsigned char)*c))
            *c = ',';
    if (is_same)
        str_add(text, "%s=%lu ", as, first);
    else
        str_add(text, "%s=%s ", as, value);
}

static void add_groups(struct str *text, const char *status)
{
    char value[256];
    size_t length = strlen(value_of(status, "Groups", value, sizeof(value)));

    while (length > 0 && value[length - 1] == ' ')
        value[--length] = '\0';
    for (char *c = value; *c != '\0'; c++)
        if (*c == ' ')
            *c = ',';
    str_add(text, "groups=%s ", value[0] != '\0' ? value : "none");
}

/* One number for all five sets: what is in any of them. */
static void add_capabilities(struct str *text, const char *status)
{
    static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapAmb" };
    uint64_t all = 0;
    char value[64];

    for (size_t i = 0; i < 4; i++)
        all |= strtoull(value_of(status, sets[i], value, sizeof(value)), NULL, 16);
    if (all == 0)
        str_add(text, "caps=none ");
    else
        str_add(text, "caps=%llx ", (unsigned long long)all);
    all = strtoull(value_of(status, "CapBnd", value, sizeof(value)), NULL, 16);
    if (all == 0)
        str_add(text, "bounds=none ");
    else
        str_add(text, "bounds=%llx ", (unsigned long long)all);
}

static void add_modes(struct str *text, const char *status, bool is_allow_list)
{
    char value[16];
    bool is_filtered;

    value_of(status, "NoNewPrivs", value, sizeof(value));
    str_add(text, "nnp=%s ", strcmp(value, "1") == 0 ? "yes" : "no");
    is_filtered = strcmp(value_of(status, "Seccomp", value, sizeof(value)), "2") == 0;
    str_add(text, "seccomp=%s ",
            !is_filtered    ? "none"
            : is_allow_list ? "allow"
                            : "deny");
}

/* ---- what /proc does not say ------------------------------------------------------- */

void sandbox_print_needs(struct str *text, unsigned needs, const char *before)
{
    static const struct {
        unsigned bit;
        const char *name;
    } all[] = {
        { USHER_NEEDS_FILES, "files" },       { USHER_NEEDS_PASSWD, "passwd" },
        { USHER_NEEDS_CONNECT, "connect" },   { USHER_NEEDS_FORK, "fork" },
        { USHER_NEEDS_VIEW, "view" },         { USHER_NEEDS_HAND_OVER, "hand_over" },
        { USHER_NEEDS_NETWORK, "network" },
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (needs & all[i].bit)
            str_add(text, "%s%s", before, all[i].name);
}

static void add_needs(struct str *text, unsigned needs)
{
    char names[SANDBOX_TEXT];
    struct str list;

    str_init(&list, names, sizeof(names));
    sandbox_print_needs(&list, needs, ",");
    str_add(text, "needs=%s", names[0] == '\0' ? "none" : names + 1);
}

static void add_places(struct str *text, const struct sandbox *sandbox)
{
    bool is_program = sandbox->kind == SANDBOX_PROGRAM;
    int landlock = is_program || SANDBOX_IS_RELAXED ? 0 : sandbox->probe->landlock;

    if (landlock == 0)
        str_add(text, "landlock=none ");
    else
        str_add(text, "landlock=%d ", landlock);
    str_add(text, "root=%s net=%s ", sandbox->has_empty_root ? "empty" : "real",
            sandbox->has_own_net ? "own" : "shared");
}

char *sandbox_print(struct sandbox *sandbox, char *out, size_t room)
{
    char status[STATUS_TEXT];
    ssize_t got =
        sandbox->status == -1 ? -1 : read(sandbox->status, status, sizeof(status) - 1);
    struct str text;

    fd_close(&sandbox->status);
    status[got > 0 ? got : 0] = '\0';
    str_init(&text, out, room);
    if (got > 0) {
        add_id(&text, status, "Uid", "uid");
        add_id(&text, status, "Gid", "gid");
        add_groups(&text, status);
        add_capabilities(&text, status);
        add_modes(&text, status, sandbox->kind != SANDBOX_PROGRAM && !SANDBOX_IS_RELAXED);
    } else {
        str_add(&text, "ids=unknown ");
    }
    add_places(&text, sandbox);
    add_needs(&text, sandbox->needs);
    if (SANDBOX_IS_RELAXED)
        str_add(&text, " RELAXED");
    return out;
}
