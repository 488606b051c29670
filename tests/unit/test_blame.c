/* Blames, and the plan that moves a row to a pool of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/plandiff.h"
#include "conf/planwire.h"
#include "master/blame.h"

static const char records[] =
    "plan config=usher.conf services=2\n"
    "global worker_count=2 control_read_gid=0 control_operate_gid=0\n"
    "service name=a plugin=echo file=usher.conf line=1 way=dispatch "
    "plugin_path=/p/echo.so blocking=0"
    " needs=0 uid=1 gid=1 pool_key=dispatch\\x20uid=1\n"
    "endpoint kind=tcp address=127.0.0.1:4001 text=tcp://:0 optional=0 group=0\n"
    "service name=b plugin=echo file=usher.conf line=2 way=dispatch "
    "plugin_path=/p/echo.so blocking=0"
    " needs=0 uid=1 gid=1 pool_key=dispatch\\x20uid=1\n"
    "endpoint kind=udp address=[::1]:4002 text=udp://:4002 optional=0 group=0\n";

static struct plan *make_plan(void)
{
    struct err err = ERR_EMPTY;
    struct plan *plan = planwire_parse(records, strlen(records), &err);

    if (plan == NULL)
        fail_msg("%s", err.text);
    plan->services[0].number = 7;
    plan->services[1].number = 3;
    return plan;
}

static void the_second_blame_within_a_minute_is_told(void **state)
{
    static const struct {
        int64_t at_ms;
        bool is_second;
    } steps[] = {
        { 1000, false },   { 60999, true },   { 120998, true },
        { 181998, false }, { 181998, true }, { 300000, false },
    };
    static struct blames blames;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        assert_int_equal(blame_add(&blames, 5, steps[i].at_ms), steps[i].is_second);
    assert_int_equal(blames.rows[5].count, ARRAY_LEN(steps));
    assert_false(blame_add(&blames, 6, 181998));
    assert_false(blame_add(&blames, PAGE_ROWS - 1, 0));
    blame_forget_all(&blames);
    assert_int_equal(blames.rows[5].count, 0);
    assert_false(blame_add(&blames, 5, 300001));
}

static void a_moved_row_differs_by_its_pool_alone(void **state)
{
    static struct blames blames;
    struct plan *plan = make_plan(), *moved;
    struct err err = ERR_EMPTY;

    (void)state;
    assert_false(blame_wants_move(&blames));
    blame_move(&blames, 3);
    assert_true(blame_wants_move(&blames));
    moved = blame_plan(&blames, plan, &err);
    assert_non_null(moved);
    assert_false(blame_wants_move(&blames));
    assert_int_equal(plandiff_service(plan, moved, "a"), PLANDIFF_SAME);
    assert_int_equal(plandiff_service(plan, moved, "b"), PLANDIFF_CHANGED);
    assert_true(blame_is_own(moved->services[1].pool_key));
    assert_false(blame_is_own(moved->services[0].pool_key));
    assert_string_equal(blame_table_key(moved->services[1].pool_key),
                        plan->services[1].pool_key);
    assert_true(blame_only_moves(&plan->services[1], &moved->services[1]));
    assert_true(blame_only_moves(&moved->services[1], &plan->services[1]));
    assert_false(blame_only_moves(&plan->services[0], &moved->services[0]));
    assert_int_equal(addr_port(&moved->services[0].endpoints[0].addr), 4001); /* drawn */
    plan_free(&plan);
    plan_free(&moved);
}

static void a_changed_row_does_more_than_move(void **state)
{
    static struct blames blames;
    struct plan *plan = make_plan(), *moved;
    struct err err = ERR_EMPTY;

    (void)state;
    blame_move(&blames, 3);
    moved = blame_plan(&blames, plan, &err);
    assert_non_null(moved);
    moved->services[1].max_connections++;
    assert_false(blame_only_moves(&moved->services[1], &plan->services[1]));
    plan_free(&plan);
    plan_free(&moved);
}

static void a_row_moves_once(void **state)
{
    static struct blames blames;
    struct plan *plan = make_plan(), *moved, *again;
    struct err err = ERR_EMPTY;

    (void)state;
    blame_move(&blames, 3);
    moved = blame_plan(&blames, plan, &err);
    assert_non_null(moved);
    moved->services[0].number = 7;
    moved->services[1].number = 3;
    blame_move(&blames, 3);
    blame_move(&blames, 7);
    again = blame_plan(&blames, moved, &err);
    assert_non_null(again);
    assert_string_equal(again->services[1].pool_key, moved->services[1].pool_key);
    assert_true(blame_is_own(again->services[0].pool_key));
    assert_string_not_equal(again->services[0].pool_key, again->services[1].pool_key);
    plan_free(&plan);
    plan_free(&moved);
    plan_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_blame_within_a_minute_is_told),
        cmocka_unit_test(a_moved_row_differs_by_its_pool_alone),
        cmocka_unit_test(a_changed_row_does_more_than_move),
        cmocka_unit_test(a_row_moves_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
