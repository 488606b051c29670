/*
 * Children of ours that nobody waits for, and since when. Every worker is a subreaper:
 * what its children leave behind is its own until it dies, ours from that moment. So who
 * is new among them when the end of a worker is told was that worker's, or of another
 * that is dead by then too. Needs /proc and a kernel with lists of children; finds none
 * without.
 */
#ifndef MASTER_STRAY_H
#define MASTER_STRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stray {
    pid_t pid;
    unsigned long long began; /* since boot, in the kernel's ticks: a number comes back */
};

struct strays { /* zeroed: none */
    pid_t *sessions; /* of children that we did not start */
    size_t session_count;
    struct stray *known;
    size_t known_count;
    bool is_mixed; /* the new ones are not of the last who died alone: master/orphan */
};

/* Once, before the first child: those that we have already (a shell's, that became
 * usherd) are no workers' children, nor are those in their sessions. They are never
 * new. */
void strays_begin(struct strays *strays);
/* Who is there now is nobody's who dies later. When somebody's end was told, and nobody
 * else is dead. */
void strays_note(struct strays *strays);
/* Those that were not there when strays_note() was called last, and live. The caller
 * frees *out. */
size_t strays_find(const struct strays *strays, pid_t **out);
bool stray_is_new(const struct strays *strays, pid_t pid); /* a living child of ours, and
                                                              new */
bool stray_is_dead(pid_t pid); /* a child of ours that was not waited for yet */
void strays_free(struct strays *strays);

#endif
