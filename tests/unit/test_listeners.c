#include "master/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/descriptors.h"

#include "base/addr.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"


static char folder[] = "/tmp/test_listenersXXXXXX";
static char path[64];
static struct inherit nothing = INHERIT_EMPTY;

/* ---- plans by hand ---- */

static struct plan *plan_empty(void)
{
    return mem_new(sizeof(struct plan));
}

static struct plan_service *add_service(struct plan *plan, const char *name)
{
    struct plan_service *service = MEM_PUSH(plan->services, plan->service_count);

    service->name = mem_text(name);
    service->file = mem_text("t.conf");
    service->line = 4;
    service->enabled = true;
    service->backlog = 8;
    service->socket_mode = 0600;
    service->socket_uid = (uid_t)-1;
    service->socket_gid = (gid_t)-1;
    service->receive_buffer = service->send_buffer = USHER_SIZE_NONE;
    return service;
}

/* Every call is a group of its own until endpoint->group says otherwise. */
static struct endpoint *add_endpoint(struct plan_service *service,
                                     enum endpoint_kind kind, const char *address)
{
    struct endpoint *endpoint = MEM_PUSH(service->endpoints, service->endpoint_count);
    int result = 0;

    endpoint->kind = kind;
    endpoint->text = mem_print("%s://%s", endpoint_kind_name(kind), address);
    endpoint->group = (unsigned)service->endpoint_count;
    if (kind == ENDPOINT_FD)
        endpoint->name = mem_text(address);
    else if (kind == ENDPOINT_TCP || kind == ENDPOINT_UDP)
        result = addr_parse(address, &endpoint->addr, NULL);
    else
        result = addr_parse_unix(address, &endpoint->addr, NULL);
    assert_int_equal(result, 0);
    return endpoint;
}

/* A plan with one service with one endpoint. */
static struct plan *plan_of(const char *name, enum endpoint_kind kind,
                            const char *address)
{
    struct plan *plan = plan_empty();

    add_endpoint(add_service(plan, name), kind, address);
    return plan;
}

static unsigned port_of(const struct plan *plan, size_t service, size_t endpoint)
{
    return addr_port(&plan->services[service].endpoints[endpoint].addr);
}

static int fd_of(const struct listeners *listeners, const struct plan *plan,
                 size_t service, size_t endpoint)
{
    return listeners_fd(listeners, &plan->services[service], endpoint);
}

static void prepare(struct listeners *listeners, struct plan *plan)
{
    struct mistakes mistakes = { .count = 0 };

    if (listeners_prepare(listeners, plan, &mistakes) == -1)
        fail_msg("%s", mistakes.at[0]);
    assert_int_equal(mistakes.count, 0);
}

static void run(struct listeners *listeners, struct plan *plan)
{
    prepare(listeners, plan);
    listeners_commit(listeners, NULL, plan);
}

/* The one mistake of a plan that cannot be prepared. */
static void assert_refused(struct listeners *listeners, struct plan *plan,
                           const char *want)
{
    struct mistakes mistakes = { .count = 0 };

    assert_int_equal(listeners_prepare(listeners, plan, &mistakes), -1);
    assert_int_equal(mistakes.count, 1);
    assert_string_equal(mistakes.at[0], want);
    mistakes_free(&mistakes);
}

static bool answers(unsigned port)
{
    struct usher_address addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result;

    assert_int_equal(addr_parse("127.0.0.1:0", &addr, NULL), 0);
    addr_set_port(&addr, port);
    result = connect(fd, (struct sockaddr *)&addr.storage, addr.length);
    fd_close(&fd);
    return result == 0;
}

static bool has_ipv6(void)
{
    struct usher_address addr;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = -1;

    assert_int_equal(addr_parse("[::1]:0", &addr, NULL), 0);
    if (fd != -1)
        result = bind(fd, (struct sockaddr *)&addr.storage, addr.length);
    fd_close(&fd);
    return result == 0;
}

/* ---- nothing is left ---- */

static int look_after(void **state)
{
    return access(path, F_OK) == -1 ? descriptors_at_end(state) : -1;
}

static int make_folder(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR_);
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/socket", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* ---- drawn ports ---- */

static struct plan *plan_with_both_families(void)
{
    struct plan *plan = plan_empty();
    struct plan_service *service = add_service(plan, "echo");

    add_endpoint(service, ENDPOINT_TCP, "127.0.0.1:0")->group = 0;
    add_endpoint(service, ENDPOINT_TCP, "[::1]:0")->group = 0;
    add_endpoint(service, ENDPOINT_UDP, "127.0.0.1:0")->group = 1;
    add_endpoint(service, ENDPOINT_UDP, "[::1]:0")->group = 1;
    return plan;
}

static void a_port_is_drawn_once_for_a_group(void **state)
{
    struct listeners listeners;
    struct plan *plan = plan_with_both_families();

    (void)state;
    if (!has_ipv6()) {
        plan_free(&plan);
        skip();
    }
    listeners_init(&listeners, &nothing);
    run(&listeners, plan);
    for (size_t i = 0; i < 4; i++)
        assert_int_not_equal(fd_of(&listeners, plan, 0, i), -1);
    assert_int_not_equal(port_of(plan, 0, 0), 0);
    assert_int_equal(port_of(plan, 0, 0), port_of(plan, 0, 1));
    assert_int_not_equal(port_of(plan, 0, 2), 0);
    assert_int_equal(port_of(plan, 0, 2), port_of(plan, 0, 3));
    listeners_close(&listeners);
    plan_free(&plan);
}

static void a_drawn_port_is_kept_over_plans(void **state)
{
    struct listeners listeners;
    struct plan *first = plan_of("echo", ENDPOINT_TCP, "127.0.0.1:0");
    struct plan *second = plan_of("echo", ENDPOINT_TCP, "127.0.0.1:0");
    int fd;

    (void)state;
    listeners_init(&listeners, &nothing);
    prepare(&listeners, first);
    assert_true(listeners_is_new(&listeners, &first->services[0]));
    listeners_commit(&listeners, NULL, first);
    assert_false(listeners_is_new(&listeners, &first->services[0]));
    fd = fd_of(&listeners, first, 0, 0);
    add_endpoint(&second->services[0], ENDPOINT_TCP, "127.0.0.1:0");
    prepare(&listeners, second);
    assert_int_equal(port_of(second, 0, 0), port_of(first, 0, 0));
    assert_int_not_equal(port_of(second, 0, 1), port_of(first, 0, 0));
    assert_int_equal(fd_of(&listeners, second, 0, 0), fd);
    assert_true(listeners_is_new(&listeners, &second->services[0]));
    listeners_commit(&listeners, first, second);
    assert_int_equal(fd_of(&listeners, second, 0, 0), fd);
    assert_true(answers(port_of(first, 0, 0)));
    listeners_close(&listeners);
    assert_false(answers(port_of(first, 0, 0)));
    plan_free(&first);
    plan_free(&second);
}

static void a_drawn_port_belongs_to_its_service(void **state)
{
    struct listeners listeners;
    struct plan *first = plan_of("a", ENDPOINT_TCP, "127.0.0.1:0");
    struct plan *second = plan_of("b", ENDPOINT_TCP, "127.0.0.1:0");

    (void)state;
    listeners_init(&listeners, &nothing);
    run(&listeners, first);
    run(&listeners, second);
    assert_int_not_equal(port_of(first, 0, 0), port_of(second, 0, 0));
    assert_false(answers(port_of(first, 0, 0)));
    assert_true(answers(port_of(second, 0, 0)));
    listeners_close(&listeners);
    plan_free(&first);
    plan_free(&second);
}

/* ---- changes ---- */

static unsigned free_port(void)
{
    struct listeners listeners;
    struct plan *plan = plan_of("probe", ENDPOINT_TCP, "127.0.0.1:0");
    unsigned port;

    listeners_init(&listeners, &nothing);
    run(&listeners, plan);
    port = port_of(plan, 0, 0);
    listeners_close(&listeners);
    plan_free(&plan);
    return port;
}

static void a_listener_moves_between_services(void **state)
{
    struct listeners listeners;
    char address[32];
    struct plan *first, *second;
    int fd;

    (void)state;
    snprintf(address, sizeof(address), "127.0.0.1:%u", free_port());
    first = plan_of("a", ENDPOINT_TCP, address);
    second = plan_of("b", ENDPOINT_TCP, address);
    listeners_init(&listeners, &nothing);
    run(&listeners, first);
    fd = fd_of(&listeners, first, 0, 0);
    run(&listeners, second);
    assert_int_equal(fd_of(&listeners, second, 0, 0), fd);
    assert_false(listeners_is_new(&listeners, &second->services[0]));
    assert_true(answers(port_of(second, 0, 0)));
    listeners_close(&listeners);
    plan_free(&first);
    plan_free(&second);
}

static void what_is_abandoned_leaves_the_old_listeners(void **state)
{
    struct listeners listeners;
    struct plan *first = plan_of("a", ENDPOINT_TCP, "127.0.0.1:0");
    struct plan *second = plan_of("b", ENDPOINT_TCP, "127.0.0.1:0");
    int fd, count;

    (void)state;
    listeners_init(&listeners, &nothing);
    run(&listeners, first);
    fd = fd_of(&listeners, first, 0, 0);
    count = descriptors_count();
    prepare(&listeners, second);
    assert_true(answers(port_of(second, 0, 0)));
    listeners_abandon(&listeners);
    assert_false(answers(port_of(second, 0, 0)));
    assert_true(answers(port_of(first, 0, 0)));
    assert_int_equal(fd_of(&listeners, first, 0, 0), fd);
    assert_int_equal(descriptors_count(), count);
    listeners_close(&listeners);
    plan_free(&first);
    plan_free(&second);
}

static void one_port_in_use_undoes_all_of_a_plan(void **state)
{
    struct listeners listeners, other;
    struct plan *thief = plan_of("thief", ENDPOINT_TCP, "127.0.0.1:0");
    struct plan *plan = plan_of("a", ENDPOINT_TCP, "127.0.0.1:0");
    char address[32], want[128];
    int count;

    (void)state;
    listeners_init(&other, &nothing);
    run(&other, thief);
    snprintf(address, sizeof(address), "127.0.0.1:%u", port_of(thief, 0, 0));
    snprintf(want, sizeof(want),
             "t.conf:4: listen: tcp://%s: bind %s: Address already in use", address,
             address);
    add_endpoint(add_service(plan, "b"), ENDPOINT_TCP, address);
    listeners_init(&listeners, &nothing);
    count = descriptors_count();
    assert_refused(&listeners, plan, want);
    assert_int_equal(listeners.count, 0);
    assert_int_equal(descriptors_count(), count);
    listeners_close(&listeners);
    listeners_close(&other);
    plan_free(&thief);
    plan_free(&plan);
}

static void a_disabled_row_opens_nothing(void **state)
{
    struct listeners listeners;
    struct plan *plan = plan_of("off", ENDPOINT_TCP, "127.0.0.1:0");

    (void)state;
    plan->services[0].enabled = false;
    listeners_init(&listeners, &nothing);
    run(&listeners, plan);
    assert_int_equal(listeners.count, 0);
    assert_int_equal(fd_of(&listeners, plan, 0, 0), -1);
    listeners_close(&listeners);
    plan_free(&plan);
}

/* ---- addresses this machine lacks (192.0.2.0/24 is nobody's) ---- */

static void an_optional_address_that_is_not_ours_is_left_out(void **state)
{
    struct listeners listeners;
    struct plan *plan = plan_empty();
    struct plan_service *service = add_service(plan, "echo");

    (void)state;
    add_endpoint(service, ENDPOINT_TCP, "192.0.2.1:0");
    add_endpoint(service, ENDPOINT_TCP, "127.0.0.1:0");
    for (size_t i = 0; i < 2; i++) {
        service->endpoints[i].group = 0;
        service->endpoints[i].is_optional = true;
    }
    listeners_init(&listeners, &nothing);
    run(&listeners, plan);
    assert_int_equal(fd_of(&listeners, plan, 0, 0), -1);
    assert_int_equal(port_of(plan, 0, 0), 0);
    assert_int_not_equal(fd_of(&listeners, plan, 0, 1), -1);
    assert_int_equal(listeners.count, 1);
    listeners_close(&listeners);
    plan_free(&plan);
}

static const struct {
    bool is_optional;
    const char *want;
} absent[] = {
    { false, "t.conf:4: listen: tcp://192.0.2.1:4007: bind 192.0.2.1:4007: "
             "Cannot assign requested address" },
    { true,
      "t.conf:4: listen: tcp://192.0.2.1:4007: none of its addresses could be opened: "
      "bind 192.0.2.1:4007: Cannot assign requested address" },
};

static void a_row_without_any_address_is_a_mistake(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(absent); i++) {
        struct listeners listeners;
        struct plan *plan = plan_of("echo", ENDPOINT_TCP, "192.0.2.1:4007");

        plan->services[0].endpoints[0].is_optional = absent[i].is_optional;
        listeners_init(&listeners, &nothing);
        assert_refused(&listeners, plan, absent[i].want);
        listeners_close(&listeners);
        plan_free(&plan);
    }
}

/* ---- UNIX paths ---- */

static void a_path_lives_as_long_as_its_listener(void **state)
{
    static const enum endpoint_kind kinds[] = { ENDPOINT_UNIX, ENDPOINT_UNIX_DGRAM,
                                                ENDPOINT_UNIX_SEQPACKET };
    struct stat st;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct listeners listeners;
        struct plan *first = plan_of("a", kinds[i], path);
        struct plan *second = plan_of("a", kinds[i], path), *none = plan_empty();

        listeners_init(&listeners, &nothing);
        run(&listeners, first);
        run(&listeners, second);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        run(&listeners, none);
        assert_int_equal(lstat(path, &st), -1);
        run(&listeners, first);
        listeners_close(&listeners);
        assert_int_equal(lstat(path, &st), -1);
        plan_free(&first);
        plan_free(&second);
        plan_free(&none);
    }
}

static void an_abandoned_path_is_removed(void **state)
{
    struct listeners listeners;
    struct plan *plan = plan_of("a", ENDPOINT_UNIX, path);

    (void)state;
    listeners_init(&listeners, &nothing);
    prepare(&listeners, plan);
    assert_int_equal(access(path, F_OK), 0);
    listeners_abandon(&listeners);
    assert_int_equal(access(path, F_OK), -1);
    listeners_close(&listeners);
    plan_free(&plan);
}

/* ---- passed in ---- */

static int open_loopback(int type)
{
    struct usher_address addr;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    assert_int_equal(addr_parse("127.0.0.1:0", &addr, NULL), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr.storage, addr.length), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static const struct {
    int type;
    enum endpoint_kind kind;
} passed[] = {
    { SOCK_STREAM, ENDPOINT_TCP },
    { SOCK_DGRAM, ENDPOINT_UDP },
};

static void an_inherited_listener_stays_for_the_next_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
        struct inherited one = { mem_text("front"), open_loopback(passed[i].type) };
        struct inherit inherit = { &one, 1 };
        struct listeners listeners;
        struct plan *first = plan_of("a", ENDPOINT_FD, "front");
        struct plan *second = plan_of("a", ENDPOINT_FD, "front"), *none = plan_empty();

        listeners_init(&listeners, &inherit);
        run(&listeners, first);
        assert_int_equal(first->services[0].endpoints[0].kind, passed[i].kind);
        assert_int_not_equal(port_of(first, 0, 0), 0);
        assert_int_equal(fd_of(&listeners, first, 0, 0), one.fd);
        assert_true(fcntl(one.fd, F_GETFL) & O_NONBLOCK);
        run(&listeners, none);
        assert_int_not_equal(fcntl(one.fd, F_GETFD), -1);
        run(&listeners, second);
        assert_int_equal(fd_of(&listeners, second, 0, 0), one.fd);
        listeners_close(&listeners);
        assert_int_not_equal(fcntl(one.fd, F_GETFD), -1);
        fd_close(&one.fd);
        mem_free(&one.name);
        plan_free(&first);
        plan_free(&second);
        plan_free(&none);
    }
}

/* Without this an answer could leave from another address than the one that was asked. */
static void an_inherited_udp_socket_tells_the_target(void **state)
{
    struct inherited one = { mem_text("front"), open_loopback(SOCK_DGRAM) };
    struct inherit inherit = { &one, 1 };
    struct listeners listeners;
    struct plan *plan = plan_of("a", ENDPOINT_FD, "front");
    int value = 0;
    socklen_t length = sizeof(value);

    (void)state;
    listeners_init(&listeners, &inherit);
    run(&listeners, plan);
    assert_int_equal(getsockopt(one.fd, IPPROTO_IP, IP_PKTINFO, &value, &length), 0);
    assert_int_equal(value, 1);
    listeners_close(&listeners);
    fd_close(&one.fd);
    mem_free(&one.name);
    plan_free(&plan);
}

static void a_name_that_was_not_passed_in_is_a_mistake(void **state)
{
    struct listeners listeners;
    struct plan *plan = plan_of("a", ENDPOINT_FD, "front");

    (void)state;
    listeners_init(&listeners, &nothing);
    assert_refused(&listeners, plan,
                   "t.conf:4: listen: fd://front: no descriptor of that name "
                   "was passed in (LISTEN_FDNAMES)");
    listeners_close(&listeners);
    plan_free(&plan);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, descriptors_at_start, look_after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_port_is_drawn_once_for_a_group),
        TEST(a_drawn_port_is_kept_over_plans),
        TEST(a_drawn_port_belongs_to_its_service),
        TEST(a_listener_moves_between_services),
        TEST(what_is_abandoned_leaves_the_old_listeners),
        TEST(one_port_in_use_undoes_all_of_a_plan),
        TEST(a_disabled_row_opens_nothing),
        TEST(an_optional_address_that_is_not_ours_is_left_out),
        TEST(a_row_without_any_address_is_a_mistake),
        TEST(a_path_lives_as_long_as_its_listener),
        TEST(an_abandoned_path_is_removed),
        TEST(an_inherited_listener_stays_for_the_next_table),
        TEST(an_inherited_udp_socket_tells_the_target),
        TEST(a_name_that_was_not_passed_in_is_a_mistake),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
