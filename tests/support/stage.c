#include "support/stage.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"

struct plan_service stage_service(char *name)
{
    return (struct plan_service){ .name = name, .enabled = true, .max_connections = 100,
                                  .first_byte_timeout = -1, .idle_timeout = -1,
                                  .total_timeout = -1 };
}

struct peer stage_peer(const char *host)
{
    struct usher_address address;
    struct err err = ERR_EMPTY;
    struct peer peer;

    assert_int_equal(addr_parse_host(host, &address, &err), 0);
    peer_set(&peer, &address.storage, address.length);
    return peer;
}

void stage_pages(struct flow *flow, struct pages **pages)
{
    struct err err = ERR_EMPTY;

    assert_int_equal(pages_open(pages, &err), 0);
    flow->pages = *pages;
    flow->pool = 1;
    flow->page = pages_attach(*pages, pages_take(*pages, 1, &err), &err);
    assert_non_null(flow->page);
}

void stage_open(struct flow *flow, const struct plan *plan)
{
    struct err err = ERR_EMPTY;

    flow->plan = plan;
    flow->channel = flow->log = -1;
    assert_int_equal(loop_open(&flow->loop, LOOP_AUTO, &err), 0);
    flow_init(flow);
    flow_make_buffer(flow, 4096);
}

void stage_close(struct flow *flow)
{
    flow_fini(flow);
    loop_close(&flow->loop);
}

/* A process that was held up may find the time over when it first looks: what then
 * follows from what it found takes rounds of the loop, not time. */
#define ROUNDS 5

struct turn {
    struct flow *flow;
    struct watch end;
    int rounds_left;
};

static void go_on_or_stop(int fd, short what, void *context)
{
    struct turn *turn = context;

    (void)fd, (void)what;
    if (turn->rounds_left-- > 0)
        timer_start(&turn->flow->loop, &turn->end, 0);
    else
        loop_stop(&turn->flow->loop);
}

void stage_turn(struct flow *flow, int64_t ms)
{
    struct turn turn = { .flow = flow, .rounds_left = ROUNDS };
    struct err err = ERR_EMPTY;

    timer_init(&turn.end, go_on_or_stop, &turn);
    timer_start(&flow->loop, &turn.end, ms);
    assert_int_equal(loop_run(&flow->loop, &err), 0);
    timer_stop(&flow->loop, &turn.end);
}

void stage_turn_before(struct flow *flow, int64_t end_ms)
{
    assert_true(clock_ms() < end_ms);
    stage_turn(flow, 1);
}

int stage_connection(int *ours)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), theirs;

    *ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &length), 0);
    assert_int_equal(connect(*ours, (struct sockaddr *)&addr, sizeof(addr)), 0);
    theirs = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    close(listener);
    return theirs;
}
