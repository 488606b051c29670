/*
 * A table's text: any bytes give a plan or at least one printable mistake, within a
 * second. A plan that was accepted is the same after a journey as records.
 */
#include "fuzz.h"
#include "tables.h"
#include "travel.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct mistakes mistakes = { 0 };
    struct plan *plan = tables_read((const char *)bytes, count, &mistakes);

    if (plan != NULL)
        travel(plan);
    plan_free(&plan);
    mistakes_free(&mistakes);
    return 0;
}
