/*
 * A table's text: any bytes give a plan or at least one printable mistake, within a
 * second. A plan that was accepted is the same after a journey as records.
 */
#include <string.h>

#include "conf/planwire.h"
#include "fuzz.h"
#include "oracle.h"
#include "tables.h"

static void travel(const struct plan *plan)
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct mistakes mistakes = {0};
    struct plan *plan = tables_read((const char *)bytes, count, &mistakes);

    if (plan != NULL)
        travel(plan);
    plan_free(&plan);
    mistakes_free(&mistakes);
    return 0;
}
