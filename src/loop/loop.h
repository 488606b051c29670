/*
 * The readiness loop: descriptors, timers, and a way to stop. Two things stand behind
 * this face: libevent (epoll, poll or select) in the master and in workers, and, after a
 * fork, a small poll() loop of the child's own (loop/solo), because a child that touches
 * its parent's libevent base makes the parent deaf. Code above this face runs on both
 * unchanged.
 *
 * Level-triggered. One thread. Watches live in their owner's struct; nothing here
 * allocates per watch but libevent's own per-descriptor slot.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/err.h"

enum loop_kind { LOOP_AUTO, LOOP_EPOLL, LOOP_POLL, LOOP_SELECT };

enum { LOOP_READ = EV_READ, LOOP_WRITE = EV_WRITE, LOOP_TIMEOUT = EV_TIMEOUT };

/* what: which of LOOP_READ, LOOP_WRITE is possible now. May start and stop any watch or
 * timer, its own included, and free the struct it lies in after stopping it. */
typedef void loop_fn(int fd, short what, void *context);

struct solo;

struct loop {
    struct event_base *base; /* NULL in a solo loop */
    struct solo *solo;
    bool is_stopped;
};

#define LOOP_EMPTY { NULL, NULL, false }

struct watch {
    struct event event;
};

int loop_open(struct loop *loop, enum loop_kind kind, struct err *err);
/* In a freshly forked child: forgets (never frees) whatever base loop had, starts a solo
 * loop. */
int loop_open_solo(struct loop *loop, struct err *err);
void loop_close(struct loop *loop);
/* Runs until loop_stop(), or until nothing is watched and no timer runs. An error of the
 * wait call itself backs off and is reported once; the result is 0, or -1 when it keeps
 * failing. */
int loop_run(struct loop *loop, struct err *err);
/* loop_run() returns after the current callback; before loop_run(): that returns at
 * once. */
void loop_stop(struct loop *loop);
const char *loop_method(const struct loop *loop); /* "epoll", "poll", "select", "solo" */

/* fd stays the caller's. what: LOOP_READ, LOOP_WRITE or both. Not yet watched. */
void watch_init(struct watch *watch, int fd, short what, loop_fn *fn, void *context);
/* Watches until watch_stop(); starting twice is fine. -1: with select a descriptor at or
 * beyond FD_SETSIZE (EMFILE; the text names the number), or the kernel refused. */
int watch_start(struct loop *loop, struct watch *watch, struct err *err);
void watch_stop(struct loop *loop, struct watch *watch); /* also never started, or
                                                            stopped */
/* Watches for something else, started or not. Costs what changes: no system call when
 * nothing does, one where old and new overlap, two otherwise. */
int watch_change(struct loop *loop, struct watch *watch, short what, struct err *err);
bool watch_is_on(const struct loop *loop, const struct watch *watch);

/* A timer is a watch without a descriptor: timer_init(), then start as often as you like.
 * It runs once; libevent's clock is a coarse one, so by clock_ms() it may come a tick (4
 * ms) early. */
void timer_init(struct watch *timer, loop_fn *fn, void *context);
void timer_start(struct loop *loop, struct watch *timer, int64_t after_ms); /* replaces */
void timer_stop(struct loop *loop, struct watch *timer);
bool timer_is_on(const struct loop *loop, const struct watch *timer);

#endif
