/* Whose fault the end of a worker is: the page may say anything. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/fault.h"
#include "master/pools.h"

#define KILLED(signal) (signal)
#define EXITED(code)   ((code) << 8)
#define MINE   40
#define OTHERS 41

struct bed {
    struct pools pools;
    struct pool pool;
    struct pool_row rows[2];
    struct member member;
    struct page *page; /* the worker's own view */
};

static char said[LOG_LINE];
static unsigned lines;

static void keep_line(enum log_level level, const char *subject, const char *line)
{
    (void)level;
    lines++;
    strncpy(said, subject, sizeof(said) - 1);
    strncat(said, ": ", sizeof(said) - strlen(said) - 1);
    strncat(said, line, sizeof(said) - strlen(said) - 1);
}

static int make_bed(void **state)
{
    struct bed *bed = mem_new(sizeof(*bed));
    struct err err = ERR_EMPTY;

    log_to(keep_line);
    clock_fake(1000000);
    assert_int_equal(pages_open(&bed->pools.pages, &err), 0);
    bed->pools.memory_kills = fault_memory_kills();
    bed->rows[0] = (struct pool_row){ .name = mem_text("mine"), .number = MINE };
    bed->rows[1] = (struct pool_row){ .name = mem_text("last"), .number = PAGE_ROWS - 1 };
    bed->pool = (struct pool){
        .pools = &bed->pools, .name = mem_text("p"), .rows = bed->rows, .row_count = 2
    };
    bed->member = (struct member){ .pool = &bed->pool, .state = MEMBER_READY, .pid = 12 };
    bed->member.slot = pages_take(bed->pools.pages, 1, &err);
    assert_int_not_equal(bed->member.slot, -1);
    bed->page = pages_attach(bed->pools.pages, bed->member.slot, &err);
    assert_non_null(bed->page);
    *state = bed;
    return 0;
}

static int take_apart(void **state)
{
    struct bed *bed = *state;

    clock_fake(-1);
    log_to(NULL);
    pages_close(&bed->pools.pages);
    mem_free(&bed->rows[0].name);
    mem_free(&bed->rows[1].name);
    mem_free(&bed->pool.name);
    mem_free(&bed);
    return 0;
}

static void note_row(struct bed *bed, uint32_t now, uint32_t last, int64_t since_ms)
{
    atomic_store(&bed->page->now_row, now);
    atomic_store(&bed->page->last_row, last);
    atomic_store(&bed->page->now_since_ms, since_ms);
}

static void begin_again(struct bed *bed)
{
    blame_forget_all(&bed->pools.blames);
    bed->member.blame = MEMBER_BLAMELESS;
    bed->member.was_ours = false;
    said[0] = '\0';
    lines = 0;
}

static void only_a_row_of_the_pool_is_blamed_whatever_the_page_says(void **state)
{
    static const struct {
        uint32_t now, last;
        int64_t since_ms; /* before now */
        int status;
        const char *blamed;
    } cases[] = {
        { 1 + MINE, 0, 5, KILLED(SIGSEGV), "mine" },
        { 1 + MINE, 0, 5, KILLED(SIGABRT), "mine" },
        { 1 + MINE, 0, 5, KILLED(SIGSYS), "mine" },
        { 1 + MINE, 0, 5, EXITED(0), "mine" },
        { 1 + MINE, 0, 5, EXITED(3), "mine" },
        { 1 + MINE, 0, 5, KILLED(SIGKILL), NULL },
        { 1 + MINE, 0, INT64_MIN / 2, KILLED(SIGSEGV), "mine" },
        { PAGE_ROWS, 0, 0, KILLED(SIGSEGV), "last" },
        { 1 + OTHERS, 0, 5, KILLED(SIGSEGV), NULL },
        { 1 + PAGE_ROWS, 0, 5, KILLED(SIGSEGV), NULL },
        { UINT32_MAX, UINT32_MAX, 5, KILLED(SIGSEGV), NULL },
        { 0, 0, 5, KILLED(SIGSEGV), NULL },
        { 0, 1 + MINE, 5, KILLED(SIGSEGV), "mine" },
        { 0, 1 + MINE, 1999, EXITED(1), "mine" },
        { 0, 1 + MINE, 2000, EXITED(1), NULL },
        { 0, 1 + MINE, 5, EXITED(0), NULL },
        { 0, 1 + MINE, 5, KILLED(SIGTERM), NULL },
        { 0, 1 + MINE, 5, KILLED(SIGKILL), NULL },
        { 0, 1 + OTHERS, 5, KILLED(SIGSEGV), NULL },
    };
    struct bed *bed = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin_again(bed);
        note_row(bed, cases[i].now, cases[i].last, clock_ms() - cases[i].since_ms);
        fault_note_end(&bed->member, cases[i].status);
        if (cases[i].blamed == NULL) {
            assert_int_equal(bed->member.blame, MEMBER_BLAMELESS);
            assert_int_equal(lines, 0);
            continue;
        }
        assert_int_equal(bed->member.blame, MEMBER_BLAMED);
        assert_int_equal(lines, 1);
        assert_memory_equal(said, cases[i].blamed, strlen(cases[i].blamed));
        assert_non_null(strstr(said, "fail pool=p pid=12 peer=- reason="));
    }
}

static void the_second_time_the_row_is_to_move(void **state)
{
    struct bed *bed = *state;

    begin_again(bed);
    note_row(bed, 1 + MINE, 0, clock_ms());
    fault_note(&bed->member, "it hung");
    bed->member.was_ours = true;
    fault_note_end(&bed->member, KILLED(SIGKILL));
    assert_int_equal(bed->pools.blames.rows[MINE].count, 1); /* one end, one blame */
    assert_false(blame_wants_move(&bed->pools.blames));
    bed->member.blame = MEMBER_BLAMELESS;
    fault_note_end(&bed->member, KILLED(SIGSEGV));
    assert_int_equal(bed->member.blame, MEMBER_BLAMED_AGAIN);
    assert_true(blame_wants_move(&bed->pools.blames));
    assert_true(bed->pools.blames.rows[MINE].must_move);
}

static void who_is_alone_does_not_move(void **state)
{
    struct bed *bed = *state;

    begin_again(bed);
    bed->pool.row_count = 1;
    note_row(bed, 1 + MINE, 0, clock_ms());
    for (int i = 0; i < 3; i++) {
        bed->member.blame = MEMBER_BLAMELESS;
        fault_note_end(&bed->member, KILLED(SIGSEGV));
    }
    assert_int_equal(bed->member.blame, MEMBER_BLAMED_AGAIN);
    assert_false(blame_wants_move(&bed->pools.blames));
}

static void what_a_reload_has_changed_since_does_not_count(void **state)
{
    struct bed *bed = *state;

    begin_again(bed);
    bed->pool.is_leaving = bed->rows[0].must_go = true;
    note_row(bed, 1 + MINE, 0, clock_ms());
    for (int i = 0; i < 3; i++) {
        bed->member.blame = MEMBER_BLAMELESS;
        fault_note_end(&bed->member, KILLED(SIGSEGV));
    }
    assert_int_equal(bed->member.blame, MEMBER_BLAMED);
    assert_int_equal(bed->pools.blames.rows[MINE].count, 0);
    assert_int_equal(lines, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            only_a_row_of_the_pool_is_blamed_whatever_the_page_says, make_bed,
            take_apart),
        cmocka_unit_test_setup_teardown(the_second_time_the_row_is_to_move, make_bed,
                                        take_apart),
        cmocka_unit_test_setup_teardown(who_is_alone_does_not_move, make_bed, take_apart),
        cmocka_unit_test_setup_teardown(what_a_reload_has_changed_since_does_not_count,
                                        make_bed, take_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
