#include "master/blame.h"

#include <string.h>

#include "base/mem.h"
#include "conf/planwire.h"

#define OWN "own=" /* no key of the table begins so: those begin with a way to run */

bool blame_add(struct blames *blames, unsigned row, int64_t now_ms)
{
    struct blame *blame = &blames->rows[row];
    bool is_second = blame->count > 0 && now_ms - blame->at_ms < BLAME_WINDOW_MS;

    blame->at_ms = now_ms;
    blame->count++;
    return is_second;
}

void blame_move(struct blames *blames, unsigned row)
{
    blames->rows[row].must_move = true;
}

bool blame_wants_move(const struct blames *blames)
{
    for (size_t i = 0; i < PAGE_ROWS; i++)
        if (blames->rows[i].must_move)
            return true;
    return false;
}

void blame_forget_all(struct blames *blames)
{
    memset(blames, 0, sizeof(*blames));
}

/* ---- the plan with a pool more ---- */

bool blame_is_own(const char *pool_key)
{
    return strncmp(pool_key, OWN, strlen(OWN)) == 0;
}

const char *blame_table_key(const char *pool_key)
{
    return blame_is_own(pool_key) ? strchr(pool_key, ' ') + 1 : pool_key;
}

static void give_own_key(struct plan_service *service)
{
    char *key = mem_print(OWN "%s %s", service->name, service->pool_key);

    mem_free(&service->pool_key);
    service->pool_key = key;
}

struct plan *blame_plan(struct blames *blames, const struct plan *plan, struct err *err)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct plan *copy;

    planwire_print(&out, plan);
    copy = planwire_parse(out.bytes, out.length, err);
    record_out_free(&out);
    for (size_t i = 0; copy != NULL && i < plan->service_count; i++)
        if (blames->rows[plan->services[i].number].must_move
            && !blame_is_own(copy->services[i].pool_key))
            give_own_key(&copy->services[i]);
    for (size_t i = 0; i < PAGE_ROWS; i++)
        blames->rows[i].must_move = false;
    return copy;
}

/* ---- two plans ---- */

static bool is_same(const struct plan_service *a, const struct plan_service *b)
{
    struct record_out out_a = RECORD_OUT_EMPTY, out_b = RECORD_OUT_EMPTY;
    bool result;

    planwire_print_service(&out_a, a);
    planwire_print_service(&out_b, b);
    result = out_a.length == out_b.length &&
             memcmp(out_a.bytes, out_b.bytes, out_a.length) == 0;
    record_out_free(&out_a);
    record_out_free(&out_b);
    return result;
}

bool blame_only_moves(const struct plan_service *before, const struct plan_service *after)
{
    struct plan_service back = *before; /* borrows all but the key */

    if (blame_is_own(before->pool_key) == blame_is_own(after->pool_key) ||
        strcmp(blame_table_key(before->pool_key), blame_table_key(after->pool_key)) != 0)
        return false;
    back.pool_key = after->pool_key;
    return is_same(&back, after);
}
