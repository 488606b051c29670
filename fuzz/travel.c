#include "travel.h"

#include <string.h>

#include "base/mem.h"
#include "conf/planwire.h"
#include "oracle.h"

void travel(const struct plan *plan)
{
    struct record_out first = RECORD_OUT_EMPTY, second = RECORD_OUT_EMPTY;
    struct err err = ERR_EMPTY;
    struct plan *again;

    planwire_print(&first, plan);
    again = planwire_parse(first.bytes, first.length, &err);
    if (again == NULL)
        fprintf(stderr, "%s\n%s", err.text, first.bytes);
    must(again != NULL);
    planwire_print(&second, again);
    must(first.length == second.length);
    must(memcmp(first.bytes, second.bytes, first.length) == 0);
    plan_free(&again);
    record_out_free(&first);
    record_out_free(&second);
}
