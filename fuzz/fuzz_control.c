/*
 * usherctl's socket, as somebody who is allowed to ask but sends anything: packets, with
 * a new line between them. A packet that is no record gets no answer; any other one gets
 * records, of which the last is "end" with a status of ours. Whatever came, the place is
 * free again, and so is the descriptor. What would start processes (check, reload) is
 * left out.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/mem.h"
#include "conf/planwire.h"
#include "fuzz.h"
#include "master/master.h"
#include "oracle.h"
#include "wire/channel.h"

#define PACKETS 4
#define TURNS   1000

static struct master master;

/* ---- the daemon
 * ------------------------------------------------------------------------ */

static struct plan *make_plan(void)
{
    static const char row[] = " file=f line=1 plugin=echo plugin_path=/e way=dispatch "
                              "blocking=0 needs=0 uid=1 gid=1 "
                              "pool_key=k\nendpoint kind=tcp address=127.0.0.1:7 "
                              "text=tcp://:7 optional=1 group=0\n";
    char *text = mem_print("plan config=x services=2\nglobal control=@usher-fuzz-%ld "
                           "worker_count=1 control_read_gid=0 control_operate_gid=0\n"
                           "service name=a%sservice name=b enabled=false%s",
                           (long)getpid(), row, row);
    struct plan *plan = planwire_parse(text, strlen(text), NULL);

    must(plan != NULL);
    mem_free(&text);
    return plan;
}

static void open_master(void)
{
    static struct inherit inherit;

    if (master.plan != NULL)
        return;
    master.plan = make_plan();
    must(loop_open(&master.loop, LOOP_AUTO, NULL) == 0);
    listeners_init(&master.listeners, &inherit);
    must(pools_open(&master.pools, &master.loop, &master.listeners, NULL) == 0);
    must(control_open(&master.control, &master, NULL) == 0);
}

static void turn(void)
{
    event_base_loop(master.loop.base, EVLOOP_NONBLOCK);
}

/* ---- the caller
 * ------------------------------------------------------------------------ */

static int call(void)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct usher_address to;

    must(addr_parse_unix(master.control.path, &to, NULL) == 0);
    must(connect(fd, (struct sockaddr *)&to.storage, to.length) == 0);
    return fd;
}

/* How many packets were sent. */
static int ask(int fd, const char *text, size_t count)
{
    int packets = 0;

    for (const char *end; packets < PACKETS;
         count -= (size_t)(end - text) + 1, text = end + 1) {
        end = memchr(text, '\n', count);
        if (end == NULL)
            end = text + count;
        must(send(fd, text, (size_t)(end - text), MSG_NOSIGNAL) != -1 || errno == EAGAIN);
        packets++;
        if (end == text + count)
            break;
    }
    return packets;
}

struct answer {
    unsigned records;
    bool has_end, is_over;
};

static void take(struct answer *answer, const struct record *record)
{
    static const char *const statuses[] = {"ok", "table", "system", "denied", "usage"};
    const char *status = record_get(record, "status");
    bool is_known = false;

    must(!answer->has_end);
    answer->records++;
    answer->has_end = record_is(record, "end");
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        is_known = is_known || (status != NULL && strcmp(status, statuses[i]) == 0);
    must(!answer->has_end || is_known);
}

static void read_answer(int fd, struct answer *answer)
{
    struct record record = RECORD_EMPTY;
    struct err err = ERR_EMPTY;
    int got;

    while ((got = channel_receive(fd, &record, &err)) == 1) {
        take(answer, &record);
        record_free(&record);
    }
    if (got == 0)
        return;
    must(err.code == 0 || err.code == ECONNRESET);
    answer->is_over = true;
}

/* ---- the two together
 * ------------------------------------------------------------------ */

static bool may_be_asked(const char *text, size_t count, bool *is_record)
{
    const char *end = memchr(text, '\n', count);
    struct record record = RECORD_EMPTY;
    bool is_left_out;

    *is_record = record_parse(&record, text, end != NULL ? (size_t)(end - text) : count,
                              NULL) == 0;
    is_left_out =
        *is_record && (record_is(&record, "check") || record_is(&record, "reload"));
    record_free(&record);
    return !is_left_out;
}

static int lowest_free_fd(void)
{
    int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

static void talk(const char *text, size_t count, bool is_record)
{
    struct answer answer = { 0 };
    int before = lowest_free_fd(), fd = call(), packets = ask(fd, text, count);

    for (int left = TURNS; left > 0 && !answer.is_over; left--) {
        turn();
        read_answer(fd, &answer);
    }
    must(answer.is_over);
    must(is_record || answer.records == 0);
    must(!is_record || answer.has_end || packets > 1);
    close(fd);
    turn();
    must(master.control.session_count == 0);
    must(lowest_free_fd() == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    bool is_record;

    if (!may_be_asked((const char *)bytes, count, &is_record))
        return 0;
    open_master();
    talk((const char *)bytes, count, is_record);
    return 0;
}
