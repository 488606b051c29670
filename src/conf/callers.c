#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/admission.h"
#include "conf/checking.h"
#include "conf/resolve.h"

/* One of the two lists of a row. */
struct list {
    const char *key;
    struct usher_list *rules;
};

/* ---- one rule -------------------------------------------------------------------- */

/* Who comes in there may have ids. A listener that is passed in may be anything. */
static bool has_ids(const struct plan_service *service)
{
    for (size_t i = 0; i < service->endpoint_count; i++) {
        enum endpoint_kind kind = service->endpoints[i].kind;

        if (kind != ENDPOINT_TCP && kind != ENDPOINT_UDP)
            return true;
    }
    return service->endpoint_count == 0;
}

/* A rule, whose user or group may still be a name. */
static int read_rule(const char *text, struct admission_rule *out, struct err *err)
{
    bool is_user = str_starts(text, "uid:"), is_group = str_starts(text, "gid:");
    struct err wrong = ERR_EMPTY;
    uid_t uid = 0;
    gid_t gid = 0;

    if (admission_rule(text, out, &wrong) == 0)
        return 0;
    if ((!is_user && !is_group) || text[4] == '\0')
        return err_set(err, "%s", wrong.text);
    if (is_user ? resolve_user(text + 4, &uid, &gid, err) == -1
                : resolve_group(text + 4, &gid, err) == -1)
        return err_prefix(err, "%s", text);
    out->whom = is_user ? ADMISSION_UID : ADMISSION_GID;
    out->id = is_user ? uid : gid;
    return 0;
}

static void set_rule(struct usher_list *list, size_t item, const char *text)
{
    const char **at = (const char **)list->at + item;

    if (strcmp(*at, text) == 0)
        return;
    mem_free(at);
    *at = mem_text(text);
}

static void check_rule(struct row_check *row, const struct list *list, size_t item)
{
    const char *text = list->rules->at[item];
    char canonical[ADMISSION_RULE_TEXT];
    struct admission_rule rule;
    struct err err = ERR_EMPTY;

    if (read_rule(text, &rule, &err) == -1)
        row_mistake_at(row, list->key, item, "%s", err.text);
    else if ((rule.whom == ADMISSION_UID || rule.whom == ADMISSION_GID) &&
             row_says(row, list->key) && !has_ids(row->service))
        row_mistake_at(
            row, list->key, item,
            "%s: only callers on UNIX sockets have a user and a group, and the "
            "row listens on none",
            text);
    else
        set_rule(list->rules, item, admission_rule_print(&rule, canonical));
}

/* ---- rules beside each other ----------------------------------------------------- */

struct place {
    const char *text;
    const struct list *list;
    size_t item;
};

static int by_text(const void *a, const void *b)
{
    const struct place *first = a, *second = b;
    int order = strcmp(first->text, second->text);

    if (order == 0 && first->list != second->list)
        order = first->list < second->list ? -1 : 1;
    if (order == 0)
        order = (first->item > second->item) - (first->item < second->item);
    return order;
}

static void warn_of_twin(struct row_check *row, const struct place *one,
                         const struct place *other)
{
    unsigned line;
    const char *file = row_place(row, other->list->key, other->item, &line);

    if (one->list == other->list)
        mistake_warn(row->all->mistakes, file, line, "%s: \"%s\" stands here twice",
                     other->list->key, other->text);
    else
        mistake_warn(row->all->mistakes, file, line,
                     "%s: \"%s\" is in %s too: a tie denies", other->list->key,
                     other->text, one->list->key);
}

/* lists[0] is allow: of two that are equal, its rule comes first. */
static void warn_of_twins(struct row_check *row, const struct list lists[2])
{
    size_t count = 0;
    struct place *places =
        mem_array(lists[0].rules->count + lists[1].rules->count + 1, sizeof(*places));

    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < lists[i].rules->count; j++)
            places[count++] = (struct place){lists[i].rules->at[j], &lists[i], j};
    qsort(places, count, sizeof(*places), by_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(places[i - 1].text, places[i].text) == 0)
            warn_of_twin(row, &places[i - 1], &places[i]);
    mem_free(&places);
}

static void check_lists(struct row_check *row)
{
    const struct list lists[] = {{"allow", &row->service->allow},
                                 {"deny", &row->service->deny}};
    size_t before = row->all->mistakes->count;

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (size_t j = 0; j < lists[i].rules->count; j++)
            check_rule(row, &lists[i], j);
    if (row->all->mistakes->count == before)
        warn_of_twins(row, lists);
}

/* ---- the rest -------------------------------------------------------------------- */

static void check_rate(struct row_check *row, const char *key, const char *text)
{
    struct admission_rate rate;
    struct err err = ERR_EMPTY;

    if (admission_rate(text, &rate, &err) == -1)
        row_mistake(row, key, "%s", err.text);
}

static void check_load(struct row_check *row)
{
    struct err err = ERR_EMPTY;
    unsigned load;

    if (admission_load(row->service->max_load, &load, &err) == -1)
        row_mistake(row, "max_load", "%s", err.text);
}

static void check_hours(struct row_check *row)
{
    struct admission_hours hours;
    struct err err = ERR_EMPTY;

    for (size_t i = 0; i < row->service->hours.count; i++)
        if (admission_hours(row->service->hours.at[i], &hours, &err) == -1)
            row_mistake_at(row, "hours", i, "%s", err.text);
}

/* Not a mistake: the one may come from the defaults. */
static void check_share(struct row_check *row)
{
    const struct plan_service *service = row->service;
    unsigned line;
    const char *file = row_place(row, "max_per_source", (size_t)-1, &line);

    if (service->enabled && service->max_per_source > service->max_connections)
        mistake_warn(row->all->mistakes, file, line,
                     "max_per_source: %u is above max_connections of service %s, %u: it "
                     "limits nobody",
                     service->max_per_source, service->name, service->max_connections);
}

void callers_check(struct row_check *row)
{
    check_lists(row);
    check_rate(row, "rate", row->service->rate);
    check_rate(row, "rate_per_source", row->service->rate_per_source);
    check_load(row);
    check_hours(row);
    check_share(row);
}
