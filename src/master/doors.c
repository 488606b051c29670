#include "master/doors.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

struct door {
    struct list link;
    char *pool_key;
    int ends[2]; /* send, receive */
    bool is_fresh; /* of the plan that is being prepared */
};

static struct door *door_at(struct list *link)
{
    return CONTAINER(link, struct door, link);
}

static struct door *find(const struct doors *doors, const char *pool_key)
{
    for (struct list *link = doors->all.next; link != &doors->all; link = link->next)
        if (strcmp(door_at(link)->pool_key, pool_key) == 0)
            return door_at(link);
    return NULL;
}

static void forget(struct door *door)
{
    list_remove(&door->link);
    fd_close(&door->ends[0]);
    fd_close(&door->ends[1]);
    mem_free(&door->pool_key);
    mem_free(&door);
}

static int add(struct doors *doors, const char *pool_key, struct err *err)
{
    struct door *door;
    int ends[2];

    if (fd_pair(ends, err) == -1)
        return err_prefix(err, "a way for tcpmux");
    (void)shutdown(ends[0], SHUT_RD);
    door = mem_new(sizeof(*door));
    door->pool_key = mem_text(pool_key);
    door->ends[0] = ends[0];
    door->ends[1] = ends[1];
    door->is_fresh = true;
    list_append(&doors->all, &door->link);
    return 0;
}

void doors_init(struct doors *doors)
{
    list_init(&doors->all);
}

int doors_prepare(struct doors *doors, const struct plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *service = &plan->services[i];

        if (plan_is_offered(service) && find(doors, service->pool_key) == NULL
            && add(doors, service->pool_key, err) == -1) {
            doors_abandon(doors);
            return -1;
        }
    }
    return 0;
}

static bool is_needed(const struct door *door, const struct plan *plan)
{
    for (size_t i = 0; i < plan->service_count; i++)
        if (plan_is_offered(&plan->services[i])
            && strcmp(plan->services[i].pool_key, door->pool_key) == 0)
            return true;
    return false;
}

void doors_commit(struct doors *doors, const struct plan *plan)
{
    struct list *link, *safe;

    LIST_EACH(&doors->all, link, safe) {
        door_at(link)->is_fresh = false;
        if (!is_needed(door_at(link), plan))
            forget(door_at(link));
    }
}

void doors_abandon(struct doors *doors)
{
    struct list *link, *safe;

    LIST_EACH(&doors->all, link, safe)
        if (door_at(link)->is_fresh)
            forget(door_at(link));
}

void doors_close(struct doors *doors)
{
    struct list *link, *safe;

    LIST_EACH(&doors->all, link, safe)
        forget(door_at(link));
}

struct door_ends doors_of(const struct doors *doors, const char *pool_key)
{
    const struct door *door = find(doors, pool_key);

    return door == NULL ? (struct door_ends){ -1, -1 }
                        : (struct door_ends){ door->ends[0], door->ends[1] };
}
