#include <string.h>

#include "base/mem.h"
#include "flow/conn.h"

struct tool {
    struct watch watch;
    struct conn *conn;
    int fd; /* -1: free */
    void (*ready)(struct usher_conn *head, int fd, unsigned what);
};

/* What a plugin asked the loop for, on behalf of one connection. */
struct conn_tools {
    struct watch timer;
    void (*expired)(struct usher_conn *head);
    struct tool watches[CONN_WATCHES];
};

static struct loop *loop_of(const struct conn *conn)
{
    return &conn_row(conn)->flow->loop;
}

/* Bytes for peers of the row, whether they have left yet or not. */
static uint64_t written(const struct conn *conn)
{
    const struct row *row = conn_row(conn);

    return page_read(&row->counts->bytes_out) + row->flow->staged +
           conn_kept_output(conn);
}

/* What goes on between the plugin and others is nothing to the peer: only what it is told
 * by that ends its silence. */
static void note_written(struct conn *conn, uint64_t before)
{
    if (written(conn) != before)
        conn->flags |= CONN_MOVED;
}

static void timer_expired(int fd, short what, void *context)
{
    struct conn *conn = context;
    uint64_t before;

    (void)fd, (void)what;
    conn_enter(conn);
    before = written(conn);
    if ((conn->flags & (CONN_OVER | CONN_ENDING | CONN_HANDED)) == 0)
        conn->more->tools->expired(&conn->head);
    note_written(conn, before);
    conn_leave(conn);
}

/* NULL: no memory; then the connection is over. */
static struct conn_tools *tools_of(struct conn *conn)
{
    struct conn_more *more = conn_more(conn);
    struct conn_tools *tools;

    if (more == NULL || more->tools != NULL)
        return more != NULL ? more->tools : NULL;
    tools = mem_try(sizeof(*tools));
    if (tools == NULL) {
        conn_starve(conn);
        return NULL;
    }
    memset(tools, 0, sizeof(*tools));
    timer_init(&tools->timer, timer_expired, conn);
    for (size_t i = 0; i < CONN_WATCHES; i++)
        tools->watches[i].fd = -1;
    more->tools = tools;
    return tools;
}

void tools_timer(struct usher_conn *head, int64_t after_ms,
                 void (*expired)(struct usher_conn *head))
{
    struct conn *conn = conn_of(head);
    struct conn_tools *tools;

    if ((conn->flags & (CONN_OVER | CONN_ENDING | CONN_HANDED)) != 0)
        return;
    tools = tools_of(conn);
    if (tools == NULL)
        return;
    tools->expired = expired;
    if (after_ms < 0)
        timer_stop(loop_of(conn), &tools->timer);
    else
        timer_start(loop_of(conn), &tools->timer, after_ms);
}

static void tool_ready(int fd, short what, void *context)
{
    struct tool *tool = context;
    struct conn *conn = tool->conn;
    unsigned now =
        ((what & LOOP_READ) != 0 ? 1u : 0u) | ((what & LOOP_WRITE) != 0 ? 2u : 0u);
    uint64_t before;

    conn_enter(conn);
    before = written(conn);
    if ((conn->flags & (CONN_OVER | CONN_ENDING | CONN_HANDED)) == 0)
        tool->ready(&conn->head, fd, now);
    note_written(conn, before);
    conn_leave(conn);
}

static struct tool *find_tool(struct conn_tools *tools, int fd)
{
    for (size_t i = 0; i < CONN_WATCHES; i++)
        if (tools->watches[i].fd == fd)
            return &tools->watches[i];
    return NULL;
}

static void stop_tool(struct loop *loop, struct tool *tool)
{
    if (tool->fd == -1)
        return;
    watch_stop(loop, &tool->watch);
    tool->fd = -1;
}

int tools_watch(struct usher_conn *head, int fd, unsigned what,
                void (*ready)(struct usher_conn *head, int fd, unsigned what))
{
    struct conn *conn = conn_of(head);
    short wanted =
        (short)(((what & 1) != 0 ? LOOP_READ : 0) | ((what & 2) != 0 ? LOOP_WRITE : 0));
    struct conn_tools *tools;
    struct tool *tool;

    if (fd < 0 || (conn->flags & (CONN_OVER | CONN_ENDING | CONN_HANDED)) != 0)
        return -1;
    tools = tools_of(conn);
    if (tools == NULL)
        return -1;
    tool = find_tool(tools, fd);
    if (tool != NULL)
        stop_tool(loop_of(conn), tool);
    if (wanted == 0)
        return 0;
    tool = find_tool(tools, -1);
    if (tool == NULL)
        return -1;

    watch_init(&tool->watch, fd, wanted, tool_ready, tool);
    if (watch_start(loop_of(conn), &tool->watch, NULL) == -1)
        return -1;
    tool->conn = conn;
    tool->fd = fd;
    tool->ready = ready;
    return 0;
}

void tools_free(struct conn *conn)
{
    struct conn_tools *tools = conn->more->tools;

    if (tools == NULL)
        return;
    timer_stop(loop_of(conn), &tools->timer);
    for (size_t i = 0; i < CONN_WATCHES; i++)
        stop_tool(loop_of(conn), &tools->watches[i]);
    mem_free(&conn->more->tools);
}
