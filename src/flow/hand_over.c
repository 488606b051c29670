#include "flow/hand_over.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "flow/conn.h"
#include "flow/door.h"
#include "flow/worker.h"
#include "wire/channel.h"

#define AGAIN_MS 5

/* ---- host functions ---------------------------------------------------------------- */

static const struct worker_offer *find_offer(const struct flow *flow, const char *service)
{
    for (size_t i = 0; i < flow->offer_count; i++)
        if (strcasecmp(flow->offers[i].service, service) == 0)
            return &flow->offers[i];
    return NULL;
}

int hand_over(struct usher_conn *head, const char *service)
{
    struct conn *conn = conn_of(head);
    struct flow *flow = conn_row(conn)->flow;
    const struct worker_offer *offer = find_offer(flow, service);

    if (flow->current == conn)
        output_push(conn);
    if (offer == NULL || flow->is_child || (conn->flags & CONN_DEAF) != 0 ||
        conn_kept_output(conn) > 0)
        return -1;
    if (conn_more(conn) == NULL)
        return -1;
    conn->flags |= CONN_HANDED;
    conn->more->offer = offer;
    conn_touch(conn);
    return 0;
}

const char *hand_over_offered(const struct usher_instance *service, size_t index)
{
    const struct flow *flow = CONTAINER(service, const struct row, instance)->flow;

    return index < flow->offer_count ? flow->offers[index].service : NULL;
}

/* ---- leaving ----------------------------------------------------------------------- */

static int try_send(const struct conn *conn, struct err *err)
{
    const struct worker_offer *offer = conn->more->offer;
    struct record_out out = RECORD_OUT_EMPTY;
    int result;

    record_begin(&out, "caller");
    record_add(&out, "service", offer->service);
    record_end(&out);
    result = channel_send_fd(offer->fd, &out, conn->fd, err);
    record_out_free(&out);
    return result;
}

static bool is_passing(int code)
{
    return code == EAGAIN || code == ENOBUFS || code == ENOMEM || code == ETOOMANYREFS;
}

void hand_over_send(struct conn *conn)
{
    struct flow *flow = conn_row(conn)->flow;
    struct err err = ERR_EMPTY;
    int any = 1;

    if (!list_is_empty(&conn->more->handing))
        return;
    setsockopt(conn->fd, SOL_SOCKET, SO_RCVLOWAT, &any, sizeof(any));
    if (conn->more->input_count == 0 && try_send(conn, &err) == 0)
        conn_over(conn, USHER_GONE_HANDED);
    else if (is_passing(err.code)) {
        if (list_is_empty(&flow->handing))
            timer_start(&flow->loop, &flow->hand_again, AGAIN_MS);
        list_append(&flow->handing, &conn->more->handing);
    } else {
        /* A reload took the other side away after the plugin had asked; or it asked
         * before it used what had to be taken out of the socket (flow/peek). */
        (void)send(conn->fd, DOOR_NONE, strlen(DOOR_NONE), MSG_DONTWAIT | MSG_NOSIGNAL);
        conn_over(conn, USHER_GONE_ENDED);
    }
}

/* Whoever finds the door full again waits behind the others. */
static void hand_again(int fd, short what, void *context)
{
    struct flow *flow = context;
    struct list *mark = &flow->turn;

    (void)fd, (void)what;
    list_init(mark);
    list_append(&flow->handing, mark);
    while (flow->handing.next != mark) {
        struct conn_more *more = CONTAINER(flow->handing.next, struct conn_more, handing);
        struct conn *conn = more->owner;

        list_remove(&more->handing);
        conn_enter(conn);
        conn_leave(conn);
    }
    list_remove(mark);
    if (!list_is_empty(&flow->handing))
        timer_start(&flow->loop, &flow->hand_again, AGAIN_MS);
}

void hand_over_init(struct flow *flow)
{
    list_init(&flow->handing);
    timer_init(&flow->hand_again, hand_again, flow);
}
