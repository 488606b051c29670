#include "master/stray.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "proc/reap.h"

/* "12 345 6 ": what the kernel says of our children now. Nobody leaves the list while we
 * read it: they do when we wait for them. */
static FILE *open_children(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
    return fopen(path, "re");
}

static int next_child(FILE *file, pid_t *pid_out)
{
    return file != NULL && fscanf(file, "%d", pid_out) == 1;
}

static void close_if_open(FILE *file)
{
    if (file != NULL)
        fclose(file);
}

/* 0 where nobody says. The 22nd word of /proc/PID/stat; the second is its name, which may
 * have any. */
static unsigned long long began(pid_t pid)
{
    char text[1024], *at = NULL;
    FILE *file;

    snprintf(text, sizeof(text), "/proc/%ld/stat", (long)pid);
    file = fopen(text, "re");
    if (file != NULL && fgets(text, sizeof(text), file) != NULL)
        at = strrchr(text, ')');
    close_if_open(file);
    for (int word = 3; at != NULL && word <= 22; word++)
        at = strchr(at + 1, ' ');
    return at == NULL ? 0 : strtoull(at, NULL, 10);
}

/* ---- who is one ---- */

bool stray_is_dead(pid_t pid)
{
    siginfo_t info = { 0 };

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

static bool is_living_child(pid_t pid)
{
    siginfo_t info = { 0 };

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

static bool is_stray(pid_t pid)
{
    return is_living_child(pid) && !reap_is_watched(pid);
}

/* Workers and their children are in sessions of their own, made after we began: so
 * whoever is in one that was there before us came from somebody else. */
static bool is_strange(const struct strays *strays, pid_t pid)
{
    pid_t session = getsid(pid);

    if (session == getsid(0))
        return true;
    for (size_t i = 0; i < strays->session_count; i++)
        if (strays->sessions[i] == session)
            return true;
    return false;
}

static bool is_known(const struct strays *strays, pid_t pid)
{
    for (size_t i = 0; i < strays->known_count; i++)
        if (strays->known[i].pid == pid)
            return strays->known[i].began == began(pid);
    return false;
}

bool stray_is_new(const struct strays *strays, pid_t pid)
{
    return is_stray(pid) && !is_strange(strays, pid) && !is_known(strays, pid);
}

/* ---- all of them ---- */

void strays_note(struct strays *strays)
{
    FILE *file = open_children();
    pid_t pid;

    mem_free(&strays->known);
    strays->known_count = 0;
    while (next_child(file, &pid))
        if (is_stray(pid))
            *MEM_PUSH(strays->known, strays->known_count) =
                (struct stray){ pid, began(pid) };
    close_if_open(file);
}

void strays_begin(struct strays *strays)
{
    FILE *file = open_children();
    pid_t pid;

    while (next_child(file, &pid))
        *MEM_PUSH(strays->sessions, strays->session_count) = getsid(pid);
    close_if_open(file);
    strays_note(strays); /* they may be about to begin a session of their own */
}

size_t strays_find(const struct strays *strays, pid_t **out)
{
    FILE *file = open_children();
    size_t count = 0;
    pid_t pid;

    *out = NULL;
    while (next_child(file, &pid))
        if (stray_is_new(strays, pid))
            *MEM_PUSH(*out, count) = pid;
    close_if_open(file);
    return count;
}

void strays_free(struct strays *strays)
{
    mem_free(&strays->sessions);
    mem_free(&strays->known);
    *strays = (struct strays){ 0 };
}
