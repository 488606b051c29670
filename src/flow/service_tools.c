#include "flow/service_tools.h"

#include "base/mem.h"

#define BUCKETS 256

struct service_watch {
    struct watch watch;
    struct list link;
    struct row *row;
    int fd;
    void (*ready)(const struct usher_instance *service, int fd, unsigned what);
};

struct service_tools {
    struct watch timer;
    void (*expired)(const struct usher_instance *service);
    struct list buckets[BUCKETS]; /* the watches, by their descriptors */
    size_t count;
};

static struct row *row_of(const struct usher_instance *service)
{
    return CONTAINER(service, struct row, instance);
}

/* Nobody in particular is served: a hang or a crash here is the service's own. */
static void enter(struct row *row)
{
    static const struct peer nobody;

    flow_enter(row->flow, row->service->number, &nobody);
}

/* ---- the timer --------------------------------------------------------------------- */

static void timer_expired(int fd, short what, void *context)
{
    struct row *row = context;

    (void)fd, (void)what;
    enter(row);
    row->tools->expired(&row->instance);
    flow_leave(row->flow);
}

static struct service_tools *tools_of(struct row *row)
{
    if (row->tools == NULL) {
        row->tools = mem_new(sizeof(*row->tools));
        timer_init(&row->tools->timer, timer_expired, row);
        for (size_t i = 0; i < BUCKETS; i++)
            list_init(&row->tools->buckets[i]);
    }
    return row->tools;
}

void service_tools_timer(const struct usher_instance *service, int64_t after_ms,
                         void (*expired)(const struct usher_instance *service))
{
    struct row *row = row_of(service);
    struct service_tools *tools = tools_of(row);

    if (row->flow->is_child)
        return;
    tools->expired = expired;
    if (after_ms < 0)
        timer_stop(&row->flow->loop, &tools->timer);
    else
        timer_start(&row->flow->loop, &tools->timer, after_ms);
}

/* ---- watches ----------------------------------------------------------------------- */

static void watch_ready(int fd, short what, void *context)
{
    struct service_watch *watch = context;
    struct row *row = watch->row;
    unsigned now =
        ((what & LOOP_READ) != 0 ? 1u : 0u) | ((what & LOOP_WRITE) != 0 ? 2u : 0u);

    enter(row);
    watch->ready(&row->instance, fd, now);
    flow_leave(row->flow);
}

static struct list *bucket_of(struct service_tools *tools, int fd)
{
    return &tools->buckets[(unsigned)fd % BUCKETS];
}

static struct service_watch *find(struct service_tools *tools, int fd)
{
    struct list *bucket = bucket_of(tools, fd), *node, *safe;

    LIST_EACH(bucket, node, safe) {
        struct service_watch *watch = CONTAINER(node, struct service_watch, link);

        if (watch->fd == fd)
            return watch;
    }
    return NULL;
}

static void drop(struct service_watch *watch)
{
    struct row *row = watch->row;

    watch_stop(&row->flow->loop, &watch->watch);
    list_remove(&watch->link);
    row->tools->count--;
    mem_free(&watch);
}

static struct service_watch *add(struct row *row, int fd, short wanted)
{
    struct service_tools *tools = row->tools;
    struct service_watch *watch;

    if (tools->count == SERVICE_WATCHES)
        return NULL;
    watch = mem_try(sizeof(*watch));
    if (watch == NULL)
        return NULL;
    watch->row = row;
    watch->fd = fd;
    watch_init(&watch->watch, fd, wanted, watch_ready, watch);
    list_append(bucket_of(tools, fd), &watch->link);
    tools->count++;
    return watch;
}

int service_tools_watch(const struct usher_instance *service, int fd, unsigned what,
                        void (*ready)(const struct usher_instance *service, int fd,
                                      unsigned what))
{
    struct row *row = row_of(service);
    short wanted =
        (short)(((what & 1) != 0 ? LOOP_READ : 0) | ((what & 2) != 0 ? LOOP_WRITE : 0));
    struct service_watch *watch;

    if (fd < 0 || row->flow->is_child)
        return -1;
    watch = find(tools_of(row), fd);
    if (wanted == 0) {
        if (watch != NULL)
            drop(watch);
        return 0;
    }
    if (watch == NULL)
        watch = add(row, fd, wanted);
    if (watch == NULL)
        return -1;
    watch->ready = ready;
    if (watch_change(&row->flow->loop, &watch->watch, wanted, NULL) == 0)
        return 0;
    drop(watch);
    return -1;
}

void service_tools_free(struct row *row)
{
    struct service_tools *tools = row->tools;

    if (tools == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (!list_is_empty(&tools->buckets[i]))
            drop(CONTAINER(tools->buckets[i].next, struct service_watch, link));
    timer_stop(&row->flow->loop, &tools->timer);
    mem_free(&row->tools);
}
