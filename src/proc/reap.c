#include "proc/reap.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/mem.h"

#define SUBJECT "reap"
#define BUCKETS 1024 /* a power of two */

/* The process's children, by pid. One of the few globals: there is one set of
 * children. */
static struct list table[BUCKETS];
static size_t count;
static bool is_ready;

static void empty_table(void)
{
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&table[i]);
    count = 0;
    is_ready = true;
}

static struct list *bucket_of(pid_t pid)
{
    if (!is_ready)
        empty_table();
    return &table[(unsigned)pid % BUCKETS];
}

void reap_watch(struct child *child, pid_t pid, reap_fn *fn, void *context)
{
    child->pid = pid;
    child->fn = fn;
    child->on_stop = NULL;
    child->context = context;
    list_append(bucket_of(pid), &child->link);
    count++;
}

void reap_forget(struct child *child)
{
    if (child->pid == 0)
        return;
    list_remove(&child->link);
    child->pid = 0;
    count--;
}

/* Their owners' memory is shared with the parent until somebody writes there: we do
 * not. */
void reap_forget_all(void)
{
    empty_table();
}

static struct child *find(pid_t pid)
{
    struct list *node, *safe, *bucket = bucket_of(pid);

    LIST_EACH(bucket, node, safe)
    {
        struct child *child = CONTAINER(node, struct child, link);

        if (child->pid == pid)
            return child;
    }
    return NULL;
}

bool reap_is_watched(pid_t pid)
{
    return find(pid) != NULL;
}

static void tell(pid_t pid, int status)
{
    struct child *child = find(pid);
    char text[64];

    if (child == NULL) {
        log_debug(SUBJECT, "end pid=%d %s", (int)pid,
                  reap_print(status, text, sizeof text));
        return;
    }
    reap_forget(child);
    child->fn(child, status, child->context);
}

static void tell_stop(pid_t pid, bool is_stopped)
{
    struct child *child = find(pid);

    if (child != NULL && child->on_stop != NULL)
        child->on_stop(child, is_stopped, child->context);
}

void reap_collect(void)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);

        if (pid > 0 && (WIFSTOPPED(status) || WIFCONTINUED(status)))
            tell_stop(pid, WIFSTOPPED(status));
        else if (pid > 0)
            tell(pid, status);
        else if (pid == 0 || errno != EINTR)
            return;
    }
}

int reap_signal(const struct child *child, int signal)
{
    if (child->pid > 0)
        return kill(child->pid, signal);
    errno = ESRCH;
    return -1;
}

int reap_signal_session(const struct child *child, int signal)
{
    if (child->pid > 0 && kill(-child->pid, signal) == 0)
        return 0;
    /* It leads no group: not yet, or it never was meant to. */
    return reap_signal(child, signal);
}

size_t reap_count(void)
{
    return count;
}

char *reap_print(int status, char *out, size_t room)
{
    if (WIFEXITED(status))
        snprintf(out, room, "exit=%d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        snprintf(out, room, "signal=%d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(out, room, "status=%#x", (unsigned)status);
    return out;
}
