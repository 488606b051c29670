#include "flow/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/mem.h"

/* The value of a variable, or NULL. */
static const char *find(const struct env *env, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->at[i], name, length) == 0 && env->at[i][length] == '=')
            return env->at[i] + length + 1;
    return NULL;
}

/* All but PATH, LANG and TZ, joined by spaces, in their order. */
static const char *rest(const struct env *env)
{
    static char out[2048];

    out[0] = '\0';
    for (size_t i = 0; i < env->count; i++) {
        size_t used = strlen(out);

        if (strncmp(env->at[i], "PATH=", 5) == 0 ||
            strncmp(env->at[i], "LANG=", 5) == 0 || strncmp(env->at[i], "TZ=", 3) == 0)
            continue;
        snprintf(out + used, sizeof(out) - used, "%s%s", used > 0 ? " " : "", env->at[i]);
    }
    return out;
}

static struct endpoint endpoint(enum endpoint_kind kind, const char *text)
{
    struct endpoint out = { .kind = kind };

    if (kind == ENDPOINT_UNIX)
        assert_int_equal(addr_parse_unix(text, &out.addr, NULL), 0);
    else
        assert_int_equal(addr_parse(text, &out.addr, NULL), 0);
    return out;
}

static struct peer peer(const char *text)
{
    struct usher_address address;
    struct peer out;

    assert_int_equal(addr_parse(text, &address, NULL), 0);
    peer_set(&out, &address.storage, address.length);
    return out;
}

static void c15_every_style_says_what_the_manual_says(void **state)
{
    static const struct {
        enum plan_env_style style;
        bool wait;
        enum endpoint_kind kind;
        const char *listen, *peer, *want;
    } cases[] = {
        { PLAN_ENV_UCSPI, false, ENDPOINT_TCP, "127.0.0.1:79", "192.0.2.7:4000",
          "PROTO=TCP TCPLOCALIP=127.0.0.1 TCPLOCALPORT=79 TCPREMOTEIP=192.0.2.7 "
          "TCPREMOTEPORT=4000" },
        { PLAN_ENV_UCSPI, false, ENDPOINT_TCP, "[::1]:79", "[2001:db8::1]:1",
          "PROTO=TCP TCPLOCALIP=::1 TCPLOCALPORT=79 TCPREMOTEIP=2001:db8::1 "
          "TCPREMOTEPORT=1" },
        { PLAN_ENV_UCSPI, false, ENDPOINT_TCP, "127.0.0.1:79", "[::ffff:192.0.2.7]:4000",
          "PROTO=TCP TCPLOCALIP=127.0.0.1 TCPLOCALPORT=79 TCPREMOTEIP=192.0.2.7 "
          "TCPREMOTEPORT=4000" },
        { PLAN_ENV_UCSPI, true, ENDPOINT_UDP, "127.0.0.1:69", NULL,
          "PROTO=UDP UDPLOCALIP=127.0.0.1 UDPLOCALPORT=69" },
        { PLAN_ENV_UCSPI, true, ENDPOINT_TCP, "0.0.0.0:69", NULL,
          "PROTO=TCP TCPLOCALIP=0.0.0.0 TCPLOCALPORT=69" },
        { PLAN_ENV_UCSPI, true, ENDPOINT_UNIX, "/run/x", NULL,
          "PROTO=UNIX UNIXLOCALPATH=/run/x" },
        { PLAN_ENV_XINETD, false, ENDPOINT_TCP, "127.0.0.1:79", "192.0.2.7:4000",
          "REMOTE_HOST=192.0.2.7" },
        { PLAN_ENV_SYSTEMD, false, ENDPOINT_TCP, "127.0.0.1:79", "192.0.2.7:4000",
          "REMOTE_ADDR=192.0.2.7 REMOTE_PORT=4000" },
        { PLAN_ENV_SYSTEMD, true, ENDPOINT_UDP, "127.0.0.1:79", NULL,
          "LISTEN_FDS=2 LISTEN_PID= LISTEN_FDNAMES=row:row" },
        { PLAN_ENV_NONE, false, ENDPOINT_TCP, "127.0.0.1:79", "192.0.2.7:4000", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct plan_service service = { .name = (char[]){ "row" }, .wait = cases[i].wait,
                                        .env_style = (int)cases[i].style };
        struct endpoint where = endpoint(cases[i].kind, cases[i].listen);
        struct env env;

        env_init(&env, &service, &where, 2);
        if (cases[i].peer != NULL) {
            struct peer who = peer(cases[i].peer);

            env_patch(&env, -1, &who);
        }
        assert_string_equal(rest(&env), cases[i].want);
        assert_null(env.at[env.count]);
        env_fini(&env);
    }
}

static void c14_only_listed_variables_pass(void **state)
{
    const char *pass[] = { "USHER_TEST_PASSED", "USHER_TEST_MISSING" };
    const char *own[] = { "A=1", "TZ=Mars/Olympus", "A=2" };
    struct plan_service service = { .name = (char[]){ "row" },
                                    .env_style = PLAN_ENV_NONE,
                                    .pass_env = { 2, pass },
                                    .env = { 3, own } };
    struct endpoint where = endpoint(ENDPOINT_TCP, "127.0.0.1:79");
    struct env env;

    (void)state;
    setenv("USHER_TEST_PASSED", "yes", 1);
    setenv("USHER_TEST_SECRET", "no", 1);
    setenv("LANG", "C.UTF-8", 1);
    setenv("PATH", "/bin", 1);
    env_init(&env, &service, &where, 1);
    assert_string_equal(find(&env, "USHER_TEST_PASSED"), "yes");
    assert_null(find(&env, "USHER_TEST_MISSING"));
    assert_null(find(&env, "USHER_TEST_SECRET"));
    assert_string_equal(find(&env, "A"), "2");
    assert_string_equal(find(&env, "TZ"), "Mars/Olympus");
    assert_string_equal(find(&env, "LANG"), "C.UTF-8");
    assert_string_equal(find(&env, "PATH"), "/bin");
    assert_int_equal(env.count, 5);
    env_fini(&env);

    unsetenv("PATH");
    env_init(&env, &service, &where, 1);
    assert_true(strlen(find(&env, "PATH")) > 0);
    env_fini(&env);
}

static void the_next_peer_takes_the_place_of_the_last(void **state)
{
    struct plan_service service = { .name = (char[]){ "row" },
                                    .env_style = PLAN_ENV_UCSPI };
    struct endpoint where = endpoint(ENDPOINT_TCP, "127.0.0.1:79");
    struct peer first = peer("[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
    struct peer second = peer("192.0.2.7:1");
    struct env env;

    (void)state;
    env_init(&env, &service, &where, 1);
    env_patch(&env, -1, &first);
    assert_string_equal(find(&env, "TCPREMOTEIP"),
                        "2001:db8:1111:2222:3333:4444:5555:6666");
    env_patch(&env, -1, &second);
    assert_string_equal(find(&env, "TCPREMOTEIP"), "192.0.2.7");
    assert_string_equal(find(&env, "TCPREMOTEPORT"), "1");
    env_fini(&env);
}

static void a_wildcard_listener_asks_the_socket(void **state)
{
    struct plan_service service = { .name = (char[]){ "row" },
                                    .env_style = PLAN_ENV_UCSPI };
    struct endpoint where = endpoint(ENDPOINT_TCP, "0.0.0.0:79");
    struct usher_address local;
    struct peer who = peer("192.0.2.7:1");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct env env;

    (void)state;
    assert_int_equal(addr_parse("127.0.0.9:0", &local, NULL), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&local.storage, local.length), 0);
    env_init(&env, &service, &where, 1);
    env_patch(&env, fd, &who);
    assert_string_equal(find(&env, "TCPLOCALIP"), "127.0.0.9");
    env_fini(&env);
    close(fd);
}

static void a_unix_peer_is_known_by_its_ids(void **state)
{
    struct plan_service service = { .name = (char[]){ "row" },
                                    .env_style = PLAN_ENV_UCSPI };
    struct endpoint where = endpoint(ENDPOINT_UNIX, "@name");
    struct peer who = { .kind = PEER_UNIX };
    char want[64];
    int pair[2];
    struct env env;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    env_init(&env, &service, &where, 1);
    env_patch(&env, pair[0], &who);
    assert_string_equal(find(&env, "PROTO"), "UNIX");
    assert_string_equal(find(&env, "UNIXLOCALPATH"), "@name");
    snprintf(want, sizeof(want), "%u", (unsigned)geteuid());
    assert_string_equal(find(&env, "UNIXREMOTEEUID"), want);
    snprintf(want, sizeof(want), "%d", (int)getpid());
    assert_string_equal(find(&env, "UNIXREMOTEPID"), want);
    assert_null(find(&env, "TCPREMOTEIP"));
    env_patch(&env, -1, &who); /* the next one: its ids are not known, and not the last
                                  one's */
    assert_string_equal(find(&env, "UNIXREMOTEEUID"), "");
    assert_string_equal(find(&env, "UNIXREMOTEEGID"), "");
    assert_string_equal(find(&env, "UNIXREMOTEPID"), "");
    env_fini(&env);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c15_every_style_says_what_the_manual_says),
        cmocka_unit_test(c14_only_listed_variables_pass),
        cmocka_unit_test(the_next_peer_takes_the_place_of_the_last),
        cmocka_unit_test(a_wildcard_listener_asks_the_socket),
        cmocka_unit_test(a_unix_peer_is_known_by_its_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
