#include "loop/loop.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/solo.h"

#define SUBJECT "loop"
#define FATAL_STATUS 3

/* A wait that fails is tried again after 1, 2, 4, ... ms, WAIT_TRIES times: one second in
 * all. */
#define WAIT_TRIES 10
/* A failure that comes so long after the one before is the first of a new row. */
#define WAIT_CALM_MS 2000

/* Our place in libevent's own chatter: it would write to stderr, which may be a peer's
 * socket. */
static void pass_message(int severity, const char *message)
{
    (void)severity;
    log_debug(SUBJECT, "libevent: %s", message);
}

static void pass_fatal(int code)
{
    log_error(SUBJECT, "fail libevent code=%d", code); /* no descriptors, no memory */
    _exit(FATAL_STATUS);
}

static const char *kind_name(enum loop_kind kind)
{
    switch (kind) {
    case LOOP_EPOLL:
        return "epoll";
    case LOOP_POLL:
        return "poll";
    case LOOP_SELECT:
        return "select";
    case LOOP_AUTO:
        break;
    }
    return NULL;
}

/* Leaves libevent the one method that was asked for, or all of them for LOOP_AUTO. The
 * epoll changelist stays off: it goes wrong with descriptors that several processes
 * share. */
static int configure(struct event_config *config, enum loop_kind kind)
{
    const char *wanted = kind_name(kind);
    const char **methods = event_get_supported_methods();

    for (; wanted != NULL && *methods != NULL; methods++)
        if (strcmp(*methods, wanted) != 0 &&
            event_config_avoid_method(config, *methods) == -1)
            return -1;
    return event_config_set_flag(config,
                                 EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
}

int loop_open(struct loop *loop, enum loop_kind kind, struct err *err)
{
    struct event_config *config;

    *loop = (struct loop)LOOP_EMPTY;
    event_set_log_callback(pass_message);
    event_set_fatal_callback(pass_fatal);
    config = event_config_new();
    if (config != NULL && configure(config, kind) == 0)
        loop->base = event_base_new_with_config(config);
    if (config != NULL)
        event_config_free(config);
    if (loop->base == NULL)
        return err_set(err, "loop: \"%s\" cannot be had here",
                       kind == LOOP_AUTO ? "auto" : kind_name(kind));
    return 0;
}

int loop_open_solo(struct loop *loop, struct err *err)
{
    (void)err;
    *loop = (struct loop)LOOP_EMPTY;
    loop->solo = solo_open();
    return 0;
}

void loop_close(struct loop *loop)
{
    if (loop->base != NULL)
        event_base_free(loop->base);
    solo_close(&loop->solo);
    *loop = (struct loop)LOOP_EMPTY;
}

/* Waits and runs callbacks until stopped. 0: go on; 1: nothing is left; -1: the wait
 * failed. */
static int run_some(struct loop *loop)
{
    errno = 0;
    return loop->solo != NULL ? solo_turn(loop->solo) : event_base_loop(loop->base, 0);
}

/* B13: neither spins on a wait that fails for ever nor gives up on one that fails
 * once. */
static int back_off(int *failures, int64_t *last_ms, struct err *err)
{
    int why = errno;
    int64_t now = clock_ms();

    if (now - *last_ms > WAIT_CALM_MS)
        *failures = 0;
    *last_ms = now;
    if (++*failures > WAIT_TRIES) {
        errno = why;
        return err_sys(err, "loop: the wait keeps failing");
    }
    if (*failures == 1)
        log_warning(SUBJECT, "fail wait error=\"%s\"", strerror(why));
    poll(NULL, 0, 1 << (*failures - 1));
    return 0;
}

int loop_run(struct loop *loop, struct err *err)
{
    int failures = 0, result = 0;
    int64_t last_ms = 0;

    while (!loop->is_stopped && result == 0) {
        int turn = run_some(loop);

        if (turn == 1)
            break;
        if (turn == -1)
            result = back_off(&failures, &last_ms, err);
    }
    loop->is_stopped = false;
    return result;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
    if (loop->base != NULL)
        event_base_loopbreak(loop->base);
}

const char *loop_method(const struct loop *loop)
{
    if (loop->solo != NULL)
        return "solo";
    return loop->base != NULL ? event_base_get_method(loop->base) : "none";
}

/* In libevent's hands now. A watch of a forgotten base (after a fork) is not. */
static bool is_pending(const struct loop *loop, const struct watch *watch)
{
    return loop->base != NULL && event_get_base(&watch->event) == loop->base &&
           event_pending(&watch->event, EV_READ | EV_WRITE | EV_TIMEOUT, NULL);
}

/* The watch does not know its loop before it is started. */
static void join_base(const struct loop *loop, struct watch *watch)
{
    struct event *event = &watch->event;

    if (event_get_base(event) == loop->base)
        return;
    event_assign(event, loop->base, event_get_fd(event), event_get_events(event),
                 event_get_callback(event), event_get_callback_arg(event));
}

void watch_init(struct watch *watch, int fd, short what, loop_fn *fn, void *context)
{
    event_assign(&watch->event, NULL, fd, (short)(what | EV_PERSIST), fn, context);
}

static int refuse_large(const struct loop *loop, int fd, struct err *err)
{
    if (fd < FD_SETSIZE || strcmp(event_base_get_method(loop->base), "select") != 0)
        return 0;
    err_set(err, "loop = \"select\" holds %d descriptors, this would be number %d",
            FD_SETSIZE, fd + 1);
    if (err != NULL)
        err->code = EMFILE;
    return -1;
}

int watch_start(struct loop *loop, struct watch *watch, struct err *err)
{
    int fd = event_get_fd(&watch->event);

    if (loop->solo != NULL) {
        if (!solo_has(loop->solo, watch))
            solo_add(loop->solo, watch, -1);
        return 0;
    }
    if (refuse_large(loop, fd, err) == -1)
        return -1;
    join_base(loop, watch);
    if (event_add(&watch->event, NULL) == -1)
        return err_sys(err, "loop: watch descriptor %d", fd);
    return 0;
}

void watch_stop(struct loop *loop, struct watch *watch)
{
    if (loop->solo != NULL)
        solo_remove(loop->solo, watch);
    else if (is_pending(loop, watch))
        event_del(&watch->event);
}

static void set_what(struct event *event, struct event_base *base, short what)
{
    event_assign(event, base, event_get_fd(event), (short)(what | EV_PERSIST),
                 event_get_callback(event), event_get_callback_arg(event));
}

/*
 * libevent tells the kernel only what the sum of a descriptor's events wants. A second
 * event that wants the new thing stands in while the first is taken out and put back, so
 * that the kernel hears of the difference alone: one call where the old and the new
 * overlap (two where they do not), instead of always two.
 */
static int exchange(struct loop *loop, struct watch *watch, short what)
{
    struct event stand_in = watch->event;
    int result;

    set_what(&stand_in, loop->base, what);
    if (event_add(&stand_in, NULL) == -1)
        return -1;
    event_del(&watch->event);
    set_what(&watch->event, loop->base, what);
    result = event_add(&watch->event, NULL);
    event_del(&stand_in);
    return result;
}

int watch_change(struct loop *loop, struct watch *watch, short what, struct err *err)
{
    short now = (short)(event_get_events(&watch->event) & (EV_READ | EV_WRITE));

    if (loop->solo == NULL && is_pending(loop, watch)) {
        if (now != what && exchange(loop, watch, what) == -1)
            return err_sys(err, "loop: watch descriptor %d", event_get_fd(&watch->event));
        return 0;
    }
    if (now != what) {
        watch_stop(loop, watch);
        set_what(&watch->event, loop->base, what);
    }
    return watch_start(loop, watch, err);
}

bool watch_is_on(const struct loop *loop, const struct watch *watch)
{
    return loop->solo != NULL ? solo_has(loop->solo, watch) : is_pending(loop, watch);
}

void timer_init(struct watch *timer, loop_fn *fn, void *context)
{
    event_assign(&timer->event, NULL, -1, 0, fn, context);
}

void timer_start(struct loop *loop, struct watch *timer, int64_t after_ms)
{
    struct timeval after;

    if (after_ms < 0)
        after_ms = 0;
    if (loop->solo != NULL) {
        solo_add(loop->solo, timer, after_ms);
        return;
    }
    join_base(loop, timer);
    after.tv_sec = (time_t)(after_ms / 1000);
    after.tv_usec = (suseconds_t)(after_ms % 1000 * 1000);
    if (event_add(&timer->event, &after) == -1)
        log_panic(SUBJECT, "fail timer error=\"%s\"", strerror(errno));
}

void timer_stop(struct loop *loop, struct watch *timer)
{
    watch_stop(loop, timer);
}

bool timer_is_on(const struct loop *loop, const struct watch *timer)
{
    return watch_is_on(loop, timer);
}
