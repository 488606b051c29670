#include "conf/planrules.h"

#include <string.h>

#include "base/opt.h"
#include "conf/admission.h"
#include "conf/keys.h"

#define RULES_EACH 500 /* in one record */

bool planrules_has(const char *key)
{
    return strcmp(key, "allow") == 0 || strcmp(key, "deny") == 0;
}

static void print_rules(struct record_out *out, const char *key,
                        const struct usher_list *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (i % RULES_EACH == 0) {
            record_begin(out, "rules");
            record_add(out, "list", key);
        }
        record_add(out, "rule", rules->at[i]);
        if (i % RULES_EACH == RULES_EACH - 1 || i == rules->count - 1)
            record_end(out);
    }
}

void planrules_print(struct record_out *out, const struct plan_service *service)
{
    print_rules(out, "allow", &service->allow);
    print_rules(out, "deny", &service->deny);
}

int planrules_take(struct plan_service *service, const struct record *record,
                   struct err *err)
{
    const char *key = record_get(record, "list");
    const struct usher_option *row = key != NULL ? opt_find(keys_service, key) : NULL;
    struct admission_rule rule;

    if (row == NULL || !planrules_has(key))
        return err_set(err, "list: none of ours");
    for (size_t i = 0; i < record->count; i++) {
        const struct record_field *field = &record->fields[i];

        if (field->value == key)
            continue;
        if (strcmp(field->key, "rule") != 0)
            return err_set(err, "unknown field %s", field->key);
        if (admission_rule(field->value, &rule, err) == -1
            || opt_set(row, service, field->value, err) == -1)
            return err_prefix(err, "%s", key);
    }
    return 0;
}

int planrules_check(const struct plan_service *service, struct err *err)
{
    struct admission_rate rate;
    struct admission_hours hours;
    unsigned load;

    if (admission_rate(service->rate, &rate, err) == -1
        || admission_rate(service->rate_per_source, &rate, err) == -1
        || admission_load(service->max_load, &load, err) == -1)
        return -1;
    for (size_t i = 0; i < service->hours.count; i++)
        if (admission_hours(service->hours.at[i], &hours, err) == -1)
            return -1;
    return 0;
}
