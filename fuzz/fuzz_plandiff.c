/*
 * A reload: two tables, with a line "--" between them. What plandiff says of each row is
 * what a comparison key by key says; taking the old rows that are the same, and the new
 * ones otherwise, gives the new plan; a row that is the same has the same endpoints, so
 * its listeners are found again; and a pool that is the same has no row that is not.
 */
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "conf/keys.h"
#include "conf/plandiff.h"
#include "conf/planwire.h"
#include "fuzz.h"
#include "oracle.h"
#include "tables.h"

#define SEPARATOR "\n--\n"

/* ---- the other comparison
 * -------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_key(const struct usher_option *key, const void *a, const void *b)
{
    char room_a[ADDR_TEXT], room_b[ADDR_TEXT];
    const char *text_a, *text_b;
    size_t i = 0;

    do {
        text_a = opt_text(key, a, i, room_a, sizeof(room_a));
        text_b = opt_text(key, b, i++, room_b, sizeof(room_b));
        if (!same_text(text_a, text_b))
            return false;
    } while (key->type == USHER_TYPE_LIST && text_a != NULL);
    return true;
}

static bool same_keys(const struct plan_service *a, const struct plan_service *b)
{
    for (const struct usher_option *key = keys_service; key->key != NULL; key++)
        if (!same_key(key, a, b))
            return false;
    return true;
}

static bool same_ids(const struct plan_service *a, const struct plan_service *b)
{
    return a->uid == b->uid && a->gid == b->gid && a->socket_uid == b->socket_uid &&
           a->socket_gid == b->socket_gid && a->gid_count == b->gid_count &&
           (a->gid_count == 0 ||
            memcmp(a->gids, b->gids, a->gid_count * sizeof(*a->gids)) == 0);
}

static bool same_options(const struct plan_service *a, const struct plan_service *b)
{
    if (a->option_count != b->option_count)
        return false;
    for (size_t i = 0; i < a->option_count; i++)
        if (!same_text(a->options[i].key, b->options[i].key) ||
            !same_text(a->options[i].value, b->options[i].value))
            return false;
    return true;
}

static bool same_limits(const struct plan_service *a, const struct plan_service *b)
{
    if (a->limit_count != b->limit_count)
        return false;
    for (size_t i = 0; i < a->limit_count; i++)
        if (a->limits[i].resource != b->limits[i].resource ||
            a->limits[i].value != b->limits[i].value)
            return false;
    return true;
}

static bool same_endpoints(const struct plan_service *a, const struct plan_service *b)
{
    if (a->endpoint_count != b->endpoint_count)
        return false;
    for (size_t i = 0; i < a->endpoint_count; i++)
        if (!endpoint_equal(&a->endpoints[i], &b->endpoints[i]) ||
            !same_text(a->endpoints[i].text, b->endpoints[i].text) ||
            a->endpoints[i].is_optional != b->endpoints[i].is_optional ||
            a->endpoints[i].group != b->endpoints[i].group)
            return false;
    return true;
}

static bool same_row(const struct plan_service *a, const struct plan_service *b)
{
    return same_keys(a, b) && same_ids(a, b) && same_options(a, b) && same_limits(a, b) &&
           same_endpoints(a, b) && a->way == b->way && a->is_blocking == b->is_blocking &&
           a->needs == b->needs && same_text(a->plugin_path, b->plugin_path) &&
           same_text(a->pool_key, b->pool_key);
}

static const struct plan_service *served(const struct plan *plan, const char *name)
{
    const struct plan_service *service = plan_find(plan, name);

    return service != NULL && service->enabled ? service : NULL;
}

static enum plandiff_change compare(const struct plan *old, const struct plan *new_,
                                    const char *name)
{
    const struct plan_service *before = served(old, name), *after = served(new_, name);

    if (before == NULL || after == NULL)
        return before != NULL  ? PLANDIFF_REMOVED
               : after != NULL ? PLANDIFF_ADDED
                               : PLANDIFF_SAME;
    return same_row(before, after) ? PLANDIFF_SAME : PLANDIFF_CHANGED;
}

/* ---- what must hold
 * -------------------------------------------------------------------- */

static void look_at_rows(const struct plan *old, const struct plan *new_,
                         const struct plan *names)
{
    for (size_t i = 0; i < names->service_count; i++) {
        const char *name = names->services[i].name;
        enum plandiff_change change = plandiff_service(old, new_, name);
        enum plandiff_change back = plandiff_service(new_, old, name);

        must(change == compare(old, new_, name));
        must((change == PLANDIFF_ADDED) == (back == PLANDIFF_REMOVED));
        must((change == PLANDIFF_CHANGED) == (back == PLANDIFF_CHANGED));
        must(plandiff_service(new_, new_, name) == PLANDIFF_SAME);
        if (change == PLANDIFF_SAME && served(old, name) != NULL)
            must(same_endpoints(served(old, name), served(new_, name)));
    }
}

/* The new plan's rows in its order, those that are the same taken from the old. */
static void apply(const struct plan *old, const struct plan *new_)
{
    struct record_out applied = RECORD_OUT_EMPTY, want = RECORD_OUT_EMPTY;

    for (size_t i = 0; i < new_->service_count; i++) {
        const struct plan_service *service = &new_->services[i];
        bool is_kept = plandiff_service(old, new_, service->name) == PLANDIFF_SAME;

        if (!service->enabled)
            continue;
        planwire_print_service(&want, service);
        planwire_print_service(&applied,
                               is_kept ? plan_find(old, service->name) : service);
    }
    must(applied.length == want.length);
    must(applied.length == 0 || strcmp(applied.bytes, want.bytes) == 0);
    record_out_free(&applied);
    record_out_free(&want);
}

static void look_at_pools(const struct plan *old, const struct plan *new_)
{
    for (size_t i = 0; i < new_->service_count; i++) {
        const char *key = new_->services[i].pool_key;

        if (!new_->services[i].enabled)
            continue;
        must(plandiff_pool_same(new_, new_, key));
        must(plandiff_pool_same(old, new_, key) == plandiff_pool_same(new_, old, key));
        if (plandiff_pool_same(old, new_, key))
            must(plandiff_service(old, new_, new_->services[i].name) == PLANDIFF_SAME);
    }
}

static void reload(const struct plan *old, const struct plan *new_)
{
    look_at_rows(old, new_, old);
    look_at_rows(old, new_, new_);
    apply(old, new_);
    look_at_pools(old, new_);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const char *text = (const char *)bytes, *middle;
    struct mistakes mistakes = { 0 };
    struct plan *old = NULL, *new_ = NULL;

    middle = memmem(text, count, SEPARATOR, strlen(SEPARATOR));
    if (middle == NULL)
        return 0;
    old = tables_read(text, (size_t)(middle - text), &mistakes);
    mistakes_free(&mistakes);
    middle += strlen(SEPARATOR);
    mistakes = (struct mistakes){0};
    if (old != NULL)
        new_ = tables_read(middle, count - (size_t)(middle - text), &mistakes);
    mistakes_free(&mistakes);
    if (new_ != NULL)
        reload(old, new_);
    plan_free(&old);
    plan_free(&new_);
    return 0;
}
