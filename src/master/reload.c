#include "master/reload.h"

#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/plan.h"
#include "master/logsink.h"
#include "master/master.h"

void reload_init(struct reload *reload)
{
    *reload = (struct reload){ .state = RELOAD_IDLE };
    list_init(&reload->waiting);
    list_init(&reload->next);
}

static void start(struct master *master);
static void start_move(struct master *master);

static void tell_waiters(struct list *waiting, enum reload_result result,
                         const struct mistakes *mistakes)
{
    while (!list_is_empty(waiting)) {
        struct reload_waiter *waiter = LIST_FIRST(waiting, struct reload_waiter, link);

        list_remove(&waiter->link);
        waiter->fn(result, mistakes, waiter->context);
    }
}

static void log_result(const struct master *master, enum reload_result result,
                       const struct mistakes *mistakes)
{
    for (size_t i = 0; i < mistakes->count; i++)
        log_error("table", "%s", mistakes->at[i]);
    if (result == RELOAD_DONE)
        log_info("table", "load services=%zu", master->plan->service_count);
    else if (master->plan != NULL)
        log_error("table", "fail mistakes=%zu, the old table goes on", mistakes->count);
}

/* What came up meanwhile: a reload forgets blames, so it is the first. */
static void go_on(struct master *master)
{
    if (master->is_draining)
        return;
    if (master->reload.again)
        start(master);
    else if (blame_wants_move(&master->pools.blames))
        start_move(master);
}

/* The one way out of a reload, whatever came of it. */
static void finish(struct master *master, enum reload_result result,
                   const struct mistakes *mistakes)
{
    struct reload *reload = &master->reload;

    reload->state = RELOAD_IDLE;
    plan_free(&reload->fresh);
    log_result(master, result, mistakes);
    if (reload->was_announced)
        notify_ready(&master->notify);
    reload->was_announced = false;
    tell_waiters(&reload->waiting, result, mistakes);
    go_on(master);
}

static void fail(struct master *master, enum reload_result result, const char *text)
{
    struct mistakes mistakes = { .count = 0 };

    mistake_add(&mistakes, NULL, 0, "%s", text);
    finish(master, result, &mistakes);
    mistakes_free(&mistakes);
}

/* Settings that are the master's own; the sink it has goes on when the new one cannot be
 * had. */
static void apply_globals(const struct plan *plan)
{
    const struct plan_globals *globals = &plan->globals;
    struct err err = ERR_EMPTY;

    log_set_level((enum log_level)globals->log_level);
    addr_set_privacy((enum addr_privacy)globals->log_addresses);
    if (logsink_open(globals->log_to, globals->log_format == PLAN_LOG_JSON, &err) == -1)
        log_error("log", "fail reason=\"%s\"", err.text);
}

/* ---- moves ---- */

static void finish_move(struct master *master)
{
    master->reload.state = RELOAD_IDLE;
    master->reload.is_move = false;
    plan_free(&master->reload.fresh);
    go_on(master);
    if (!master->reload.is_move)
        pools_stop_waiting(&master->pools);
}

static void log_moved(const struct plan *old, const struct plan *fresh)
{
    for (size_t i = 0; i < fresh->service_count; i++)
        if (blame_is_own(fresh->services[i].pool_key)
            && !blame_is_own(old->services[i].pool_key))
            log_warning(fresh->services[i].name,
                        "hold pool=own-%s reason=\"to blame twice within "
                        "a minute: on its own until the next reload\"",
                        fresh->services[i].name);
}

static void on_moved(const char *reason, void *context)
{
    struct master *master = context;
    struct plan *old = master->plan;

    if (reason != NULL) {
        log_error("pool", "fail move reason=\"%s\"", reason);
        pools_abandon(&master->pools);
        finish_move(master);
        return;
    }
    log_moved(old, master->reload.fresh);
    master->plan = master->reload.fresh;
    master->reload.fresh = NULL;
    pools_commit(&master->pools, old, master->plan);
    plan_free(&old);
    finish_move(master);
}

/* The listeners are those of the plan that runs: nothing is opened, nothing closed. */
static void start_move(struct master *master)
{
    struct reload *reload = &master->reload;
    struct err err = ERR_EMPTY;

    reload->fresh = blame_plan(&master->pools.blames, master->plan, &err);
    if (reload->fresh != NULL &&
        pools_prepare(&master->pools, master->plan, reload->fresh, on_moved, master,
                      &err) == 0) {
        reload->state = RELOAD_STARTING;
        reload->is_move = true;
        return;
    }
    log_error("pool", "fail move reason=\"%s\"", err.text);
    plan_free(&reload->fresh);
}

bool reload_move(void *context)
{
    struct master *master = context;

    if (master->reload.state == RELOAD_IDLE && master->plan != NULL &&
        !master->is_draining)
        start_move(master);
    return master->reload.is_move;
}

/* ---- from the reader's plan to the one that runs ---- */

static void commit(struct master *master)
{
    static const struct mistakes none = { .count = 0 };
    struct plan *old = master->plan;

    master->plan = master->reload.fresh;
    master->reload.fresh = NULL;
    blame_forget_all(&master->pools.blames);
    listeners_commit(&master->listeners, old, master->plan);
    pools_commit(&master->pools, old, master->plan);
    pools_forgive(&master->pools);
    apply_globals(master->plan);
    if (old != NULL)
        control_follow(&master->control, master->plan);
    plan_free(&old);
    finish(master, RELOAD_DONE, &none);
}

static void on_started(const char *reason, void *context)
{
    struct master *master = context;

    if (reason == NULL) {
        commit(master);
        return;
    }
    char *text = mem_text(reason); /* abandoning forgets it */

    pools_abandon(&master->pools);
    listeners_abandon(&master->listeners);
    fail(master, RELOAD_SYSTEM_SAID_NO, text);
    mem_free(&text);
}

static void begin(struct master *master)
{
    struct mistakes mistakes = { .count = 0 };
    struct err err = ERR_EMPTY;

    master->reload.state = RELOAD_STARTING;
    if (master->plan == NULL) /* what the first workers have to say is worth as much */
        log_set_level((enum log_level)master->reload.fresh->globals.log_level);
    if (listeners_prepare(&master->listeners, master->reload.fresh, &mistakes) == -1) {
        finish(master, RELOAD_SYSTEM_SAID_NO, &mistakes);
    } else if (pools_prepare(&master->pools, master->plan, master->reload.fresh,
                             on_started, master, &err) == -1) {
        listeners_abandon(&master->listeners);
        fail(master, RELOAD_SYSTEM_SAID_NO, err.text);
    }
    mistakes_free(&mistakes);
}

/* In the background there is no standard error to write to. */
static bool loses_log(const struct master *master, const struct plan *plan)
{
    return master->options->to_background && strcmp(plan->globals.log_to, "stderr") == 0;
}

static void on_read(struct plan *plan, const struct mistakes *mistakes, void *context)
{
    struct master *master = context;
    struct err err = ERR_EMPTY;

    for (size_t i = 0; i < mistakes->warning_count; i++)
        log_warning("table", "%s", mistakes->warnings[i]);
    master->reload.reader = NULL;
    master->reload.fresh = plan;
    if (plan == NULL)
        finish(master, mistakes->is_system ? RELOAD_SYSTEM_SAID_NO : RELOAD_TABLE_WRONG,
               mistakes);
    else if (loses_log(master, plan))
        fail(master, RELOAD_TABLE_WRONG,
             "log.to is \"stderr\", which a daemon in the background does not have");
    else if (logsink_try(plan->globals.log_to, &err) == -1)
        fail(master, RELOAD_SYSTEM_SAID_NO, err.text);
    else
        begin(master);
}

static void start(struct master *master)
{
    struct reload *reload = &master->reload;
    struct reader_input input = {
        .config = master->options->config,
        .plugin_dir = master->options->plugin_dir,
        .overrides = options_overrides(master->options),
        .pages = master->pools.pages,
    };
    struct err err = ERR_EMPTY;

    reload->again = false;
    while (!list_is_empty(&reload->next)) {
        struct list *link = reload->next.next;

        list_remove(link);
        list_append(&reload->waiting, link);
    }
    reload->was_announced = master->plan != NULL; /* the start is announced by whoever
                                                     starts */
    if (reload->was_announced)
        notify_reloading(&master->notify);
    reload->state = RELOAD_READING;
    reload->reader = reader_start(&input, &master->loop, on_read, master, &err);
    if (reload->reader == NULL)
        fail(master, RELOAD_SYSTEM_SAID_NO, err.text);
}

static void refuse(struct list *waiting)
{
    struct mistakes mistakes = { .count = 0 };

    mistake_add(&mistakes, NULL, 0, "usherd is ending");
    tell_waiters(waiting, RELOAD_SYSTEM_SAID_NO, &mistakes);
    mistakes_free(&mistakes);
}

void reload_request(struct master *master, struct reload_waiter *waiter)
{
    struct reload *reload = &master->reload;

    if (waiter != NULL) {
        list_init(&waiter->link);
        list_append(&reload->next, &waiter->link);
    }
    if (master->is_draining)
        refuse(&reload->next);
    else if (reload->state == RELOAD_IDLE)
        start(master);
    else
        reload->again = true;
}

void reload_forget(struct reload_waiter *waiter)
{
    if (waiter->link.next != NULL)
        list_remove(&waiter->link);
}

void reload_cancel(struct master *master)
{
    struct reload *reload = &master->reload;

    if (reload->state == RELOAD_READING)
        reader_cancel(&reload->reader);
    if (reload->state == RELOAD_STARTING) {
        pools_abandon(&master->pools);
        if (!reload->is_move)
            listeners_abandon(&master->listeners);
    }
    reload->state = RELOAD_IDLE;
    reload->again = reload->was_announced = reload->is_move = false;
    plan_free(&reload->fresh);
    refuse(&reload->waiting);
    refuse(&reload->next);
}
