/* What a reload must change: rows, and pools. */
#include "conf/plandiff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/planwire.h"

#define ROW(name, rest)                                                                  \
    "service name=" name                                                                 \
    " file=f line=1 plugin=echo plugin_path=/e way=dispatch blocking=0 "                 \
    "needs=0 uid=1 gid=1 " rest "\n"
#define MOVED_ROW(name, rest)                                                            \
    "service name=" name                                                                 \
    " file=g line=9 plugin=echo plugin_path=/e way=dispatch blocking=0 "                 \
    "needs=0 uid=1 gid=1 " rest "\n"
#define TCP(port)                                                                        \
    "endpoint kind=tcp address=127.0.0.1:" port " text=tcp://:" port                     \
    " optional=1 group=0\n"
#define UDP(port, text)                                                                  \
    "endpoint kind=udp address=127.0.0.1:" port " text=udp://:" text                     \
    " optional=1 group=0\n"

/* A row that hands connections over. */
#define SENDER(name, rest)                                                               \
    "service name=" name                                                                 \
    " file=f line=1 plugin=mux plugin_path=/m way=dispatch blocking=0 "                  \
    "needs=32 uid=1 gid=1 " rest "\n"

static struct plan *plan_of(int count, const char *globals, const char *rows)
{
    char *text = mem_print("plan config=x services=%d\nglobal %sworker_count=%d "
                           "control_read_gid=0 control_operate_gid=0\n%s",
                           count, globals, globals[0] == 'w' ? 2 : 1, rows);
    struct err err = ERR_EMPTY;
    struct plan *plan = planwire_parse(text, strlen(text), &err);

    if (plan == NULL)
        fail_msg("%s\n%s", text, err.text);
    mem_free(&text);
    return plan;
}

static const struct {
    const char *what;
    int old_count, new_count;
    const char *old, *new_;
    enum plandiff_change want;
} rows[] = {
    { "nothing", 1, 1, ROW("a", "pool_key=k") TCP("7"), ROW("a", "pool_key=k") TCP("7"),
      PLANDIFF_SAME },
    { "file and line", 1, 1, ROW("a", "pool_key=k") TCP("7"),
      MOVED_ROW("a", "pool_key=k") TCP("7"), PLANDIFF_SAME },
    { "a key", 1, 1, ROW("a", "pool_key=k"), ROW("a", "max_connections=5 pool_key=k"),
      PLANDIFF_CHANGED },
    { "a key at its default", 1, 1, ROW("a", "pool_key=k"),
      ROW("a", "max_connections=1000 pool_key=k"), PLANDIFF_SAME },
    { "the pool", 1, 1, ROW("a", "pool_key=k"), ROW("a", "pool_key=l"),
      PLANDIFF_CHANGED },
    { "an option", 1, 1, ROW("a", "pool_key=k") "option key=x value=1\n",
      ROW("a", "pool_key=k") "option key=x value=2\n", PLANDIFF_CHANGED },
    { "a limit", 1, 1, ROW("a", "pool_key=k"),
      ROW("a", "pool_key=k") "limit resource=cpu value=2\n", PLANDIFF_CHANGED },
    { "an endpoint", 1, 1, ROW("a", "pool_key=k") TCP("7"),
      ROW("a", "pool_key=k") TCP("8"), PLANDIFF_CHANGED },
    { "a supplementary group", 1, 1, ROW("a", "gids=5 pool_key=k"),
      ROW("a", "gids=6 pool_key=k"), PLANDIFF_CHANGED },
    { "a port that was drawn", 1, 1, ROW("a", "pool_key=k") UDP("41234", "0"),
      ROW("a", "pool_key=k") UDP("0", "0"), PLANDIFF_SAME },
    { "a port that was written", 1, 1, ROW("a", "pool_key=k") UDP("41234", "41234"),
      ROW("a", "pool_key=k") UDP("0", "0"), PLANDIFF_CHANGED },
    { "its arrival", 0, 1, "", ROW("a", "pool_key=k"), PLANDIFF_ADDED },
    { "its leaving", 1, 0, ROW("a", "pool_key=k"), "", PLANDIFF_REMOVED },
    { "it is switched on", 1, 1, ROW("a", "enabled=false pool_key=k"),
      ROW("a", "pool_key=k"), PLANDIFF_ADDED },
    { "it is switched off", 1, 1, ROW("a", "pool_key=k"),
      ROW("a", "enabled=false pool_key=k"), PLANDIFF_REMOVED },
    { "it is off and changes", 1, 1, ROW("a", "enabled=false pool_key=k"),
      ROW("a", "enabled=false pool_key=l"), PLANDIFF_SAME },
    { "it was never there", 0, 0, "", "", PLANDIFF_SAME },
    { "another row", 1, 2, ROW("a", "pool_key=k"),
      ROW("b", "pool_key=k") ROW("a", "pool_key=k"), PLANDIFF_SAME },
};

static void rows_are_compared_by_what_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct plan *old = plan_of(rows[i].old_count, "", rows[i].old);
        struct plan *new_ = plan_of(rows[i].new_count, "", rows[i].new_);
        enum plandiff_change got = plandiff_service(old, new_, "a");

        if (got != rows[i].want)
            fail_msg("%s: want %d, got %d", rows[i].what, (int)rows[i].want, (int)got);
        plan_free(&old);
        plan_free(&new_);
    }
}

static const struct {
    const char *what;
    const char *old_globals, *new_globals;
    int old_count, new_count;
    const char *old, *new_;
    bool want;
} pools[] = {
    { "nothing", "", "", 1, 1, ROW("a", "pool_key=k"), MOVED_ROW("a", "pool_key=k"),
      true },
    { "the order", "", "", 2, 2, ROW("a", "pool_key=k") ROW("b", "pool_key=k"),
      ROW("b", "pool_key=k") ROW("a", "pool_key=k"), true },
    { "a row of it", "", "", 1, 1, ROW("a", "pool_key=k"),
      ROW("a", "backlog=5 pool_key=k"), false },
    { "a row more", "", "", 1, 2, ROW("a", "pool_key=k"),
      ROW("a", "pool_key=k") ROW("b", "pool_key=k"), false },
    { "a row less", "", "", 2, 1, ROW("a", "pool_key=k") ROW("b", "pool_key=k"),
      ROW("a", "pool_key=k"), false },
    { "a row moves away", "", "", 2, 2, ROW("a", "pool_key=k") ROW("b", "pool_key=k"),
      ROW("a", "pool_key=k") ROW("b", "pool_key=l"), false },
    { "another pool", "", "", 1, 2, ROW("a", "pool_key=k"),
      ROW("a", "pool_key=k") ROW("b", "pool_key=l"), true },
    { "a row that is off", "", "", 1, 2, ROW("a", "pool_key=k"),
      ROW("a", "pool_key=k") ROW("b", "enabled=false pool_key=k"), true },
    { "the loop", "", "loop=poll ", 1, 1, ROW("a", "pool_key=k"), ROW("a", "pool_key=k"),
      false },
    { "workers", "", "workers=2 ", 1, 1, ROW("a", "pool_key=k"), ROW("a", "pool_key=k"),
      false },
    { "hang_timeout", "", "hang_timeout=none ", 1, 1, ROW("a", "pool_key=k"),
      ROW("a", "pool_key=k"), false },
    { "the log", "", "log.level=debug ", 1, 1, ROW("a", "pool_key=k"),
      ROW("a", "pool_key=k"), false },
    { "the log's place", "", "log.to=syslog ", 1, 1, ROW("a", "pool_key=k"),
      ROW("a", "pool_key=k"), false },
    { "drain_timeout", "", "drain_timeout=5s ", 1, 1, ROW("a", "pool_key=k"),
      ROW("a", "pool_key=k"), true },
    { "a TCP port elsewhere", "", "", 1, 2, ROW("a", "pool_key=k"),
      ROW("a", "pool_key=k") ROW("b", "pool_key=l") TCP("7"), true },
    { "a UDP port elsewhere", "", "", 1, 2, ROW("a", "pool_key=k"),
      ROW("a", "pool_key=k") ROW("b", "pool_key=l") UDP("7", "7"), false },
    { "a UDP port elsewhere, gone", "", "", 2, 1,
      ROW("a", "pool_key=k") ROW("b", "pool_key=l") UDP("7", "7"), ROW("a", "pool_key=k"),
      false },
    { "a UDP port that was drawn", "", "", 1, 1, ROW("a", "pool_key=k") UDP("41234", "0"),
      ROW("a", "pool_key=k") UDP("41234", "0"), true },
    { "a UDP port that is drawn elsewhere", "", "", 1, 2,
      ROW("a", "pool_key=k") UDP("41234", "0"),
      ROW("a", "pool_key=k") UDP("41234", "0") ROW("b", "pool_key=l") UDP("41235", "0"),
      false },
    { "what is offered elsewhere", "", "", 2, 2,
      ROW("a", "pool_key=k") ROW("b", "pool_key=l"),
      ROW("a", "pool_key=k") ROW("b", "tcpmux=true pool_key=l"), true },
    { "what it offers: one more", "", "", 2, 2,
      SENDER("m", "pool_key=k") ROW("b", "pool_key=l"),
      SENDER("m", "pool_key=k") ROW("b", "tcpmux=true pool_key=l"), false },
    { "what it offers: one less", "", "", 2, 2,
      SENDER("m", "pool_key=k") ROW("b", "tcpmux=true pool_key=l"),
      SENDER("m", "pool_key=k") ROW("b", "tcpmux=true enabled=false pool_key=l"), false },
    { "what it offers: in another pool", "", "", 2, 2,
      SENDER("m", "pool_key=k") ROW("b", "tcpmux=true pool_key=l"),
      SENDER("m", "pool_key=k") ROW("b", "tcpmux=true pool_key=o"), false },
    { "what it offers: changed there", "", "", 2, 2,
      SENDER("m", "pool_key=k") ROW("b", "tcpmux=true pool_key=l"),
      SENDER("m", "pool_key=k") ROW("b", "tcpmux=true backlog=5 pool_key=l"), true },
};

static void pools_are_compared_by_all_that_they_serve(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pools); i++) {
        struct plan *old =
            plan_of(pools[i].old_count, pools[i].old_globals, pools[i].old);
        struct plan *new_ =
            plan_of(pools[i].new_count, pools[i].new_globals, pools[i].new_);

        if (plandiff_pool_same(old, new_, "k") != pools[i].want)
            fail_msg("%s: want %d", pools[i].what, pools[i].want);
        plan_free(&old);
        plan_free(&new_);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_compared_by_what_they_are),
        cmocka_unit_test(pools_are_compared_by_all_that_they_serve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
