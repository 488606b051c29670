/* The plan: built from a table, carried as records, and what the other side refuses to
 * believe. */
#include "conf/plan.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/opt.h"
#include "conf/check.h"
#include "conf/checking.h"
#include "conf/keys.h"
#include "conf/planwire.h"
#include "conf/resolve.h"
#include "support/build_plan.h"

/* ---- users and groups ------------------------------------------------------------ */

static int look_up_errno; /* what every look-up fails with; 0: none fails */

struct passwd *getpwnam(const char *name)
{
    static struct passwd entry;
    static char bytes[8192];
    struct passwd *found = NULL;

    errno = look_up_errno;
    if (look_up_errno == 0)
        errno = getpwnam_r(name, &entry, bytes, sizeof(bytes), &found);
    return found;
}

struct group *getgrnam(const char *name)
{
    static struct group entry;
    static char bytes[8192];
    struct group *found = NULL;

    errno = look_up_errno;
    if (look_up_errno == 0)
        errno = getgrnam_r(name, &entry, bytes, sizeof(bytes), &found);
    return found;
}

static void check_look_up(int code, const char *user_want, const char *group_want)
{
    struct err err = ERR_EMPTY;
    uid_t uid;
    gid_t gid;

    look_up_errno = code;
    assert_int_equal(resolve_user("somebody-else", &uid, &gid, &err), -1);
    assert_string_equal(err.text, user_want);
    assert_int_equal(resolve_group("somebody-else", &gid, &err), -1);
    assert_string_equal(err.text, group_want);
    assert_int_equal(resolve_user("4242", &uid, &gid, &err), 0);
    assert_int_equal(uid, 4242);
    look_up_errno = 0;
}

static void a_failed_look_up_is_no_missing_user(void **state)
{
    static const int none[] = { 0, ENOENT, ESRCH, EBADF, EPERM };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        check_look_up(none[i], "there is no user \"somebody-else\"",
                      "there is no group \"somebody-else\"");
    check_look_up(EIO,
                  "the user \"somebody-else\" cannot be looked up: Input/output error",
                  "the group \"somebody-else\" cannot be looked up: Input/output error");
    check_look_up(EMFILE,
                  "the user \"somebody-else\" cannot be looked up: Too many open files",
                  "the group \"somebody-else\" cannot be looked up: Too many open files");
}

/* ---- from a table ---------------------------------------------------------------- */

static const char table[] =
    "port_offset = 10000;\n"
    "services: {\n"
    "  echo: { plugin = \"echo\"; listen = [ \"tcp://:7\", \"udp://:7\", \"udp://:0\" ]; "
    "};\n"
    "  off: { plugin = \"echo\"; listen = \"udp://:9\"; enabled = false; };\n"
    "  cat: { exec = [ \"/bin/cat\", \"-u\" ]; listen = \"unix:///x\"; pass_env = "
    "\"A\";\n"
    "         limits = { nofile = 64; core = \"unlimited\"; }; };\n"
    "};\n";

static void a_table_becomes_a_plan(void **state)
{
    struct plan *plan = build_good_plan(table);
    struct plan_service *service;

    (void)state;
    assert_int_equal(plan->service_count, 3);
    assert_string_equal(plan->config, "t.conf");
    assert_int_equal(plan->globals.worker_count, 1);
    service = plan_find(plan, "echo");
    assert_non_null(service);
    assert_int_equal(service->way, PLAN_WAY_DISPATCH);
    assert_int_equal(service->line, 3);
    assert_string_equal(service->plugin_path, "/plugins");
    assert_int_equal(service->idle_timeout, 300000);
    assert_int_equal(service->total_timeout, -1);
    assert_int_equal(service->uid, 4242);
    assert_int_equal(service->socket_uid, (uid_t)-1);
    assert_int_equal(service->endpoint_count, 6);
    assert_false(plan_is_udp(service, 0));
    assert_true(plan_is_udp(service, 2));
    assert_int_equal(addr_port(&service->endpoints[0].addr), 10007);
    assert_true(plan_is_drawn(&service->endpoints[4]));
    assert_int_equal(service->endpoints[5].group, 2);

    service = plan_find(plan, "cat");
    assert_int_equal(service->way, PLAN_WAY_EXEC);
    assert_int_equal(service->idle_timeout, -1);
    assert_int_equal(service->limit_count, 2);
    assert_int_equal(service->limits[0].resource, RLIMIT_NOFILE);
    assert_int_equal(service->limits[0].value, 64);
    assert_true(service->limits[1].value == USHER_SIZE_UNLIMITED);
    assert_null(plan_find(plan, "dog"));
    plan_free(&plan);
    assert_null(plan);
    plan_free(&plan);
}

static void udp_ports_of_rows_that_are_on_are_known(void **state)
{
    struct plan *plan = build_good_plan(table);

    (void)state;
    assert_true(plan_has_udp_port(plan, 10007));
    assert_false(plan_has_udp_port(plan, 7));
    assert_false(plan_has_udp_port(plan, 10009));
    plan_free(&plan);
}

static void ways_have_names(void **state)
{
    (void)state;
    assert_string_equal(plan_way_name(PLAN_WAY_DISPATCH), "dispatch");
    assert_string_equal(plan_way_name(PLAN_WAY_WAIT), "wait");
}

static void presets_follow_their_own_rules(void **state)
{
    struct plan_globals *globals = mem_new(sizeof(*globals));
    struct plan_service *service = mem_new(sizeof(*service));
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(opt_preset(keys_global, globals, &err), 0);
    assert_string_equal(globals->control, USHER_RUNSTATEDIR "/usher/control");
    assert_int_equal(opt_preset(keys_service, service, &err), 0);
    for (const struct usher_option *row = keys_service; row->key != NULL; row++) {
        assert_null(keys_never(row->key));
        assert_true(opt_is_preset(row, service));
        assert_non_null(row->help);
    }
    assert_int_equal(service->max_connections, 1000);
    assert_int_equal(service->backlog, 4096);
    assert_int_equal(globals->drain_timeout, 30000);
    assert_int_equal(globals->hang_timeout, 2000);
    opt_free(keys_global, globals);
    opt_free(keys_service, service);
    mem_free(&globals);
    mem_free(&service);
}

static void rows_of_equal_identity_share_a_pool(void **state)
{
    struct plan *plan = build_good_plan(
        "services: {\n"
        "  a: { plugin = \"echo\"; listen = \"tcp://:1\"; };\n"
        "  b: { plugin = \"echo\"; listen = \"tcp://:2\"; max_connections = 5; };\n"
        "  c: { plugin = \"echo\"; listen = \"tcp://:3\"; mode = \"fork\"; };\n"
        "  d: { plugin = \"echo\"; listen = \"tcp://:4\"; nice = 5; };\n"
        "  e: { plugin = \"echo\"; listen = \"tcp://:5\"; umask = \"077\"; };\n"
        "  f: { plugin = \"echo\"; listen = \"tcp://:6\"; directory = \"/tmp\"; };\n"
        "  g: { plugin = \"echo\"; listen = \"tcp://:7\"; pool = \"own\"; };\n"
        "  h: { exec = \"/bin/cat\"; listen = \"tcp://:8\"; };\n"
        "  i: { exec = \"/bin/cat\"; listen = \"tcp://:9\"; privileges = true; };\n"
        "  j: { exec = \"/bin/cat\"; listen = \"tcp://:10\"; wait = true; };\n"
        "  k: { exec = \"/bin/cat\"; listen = \"tcp://:11\"; wait = true; };\n"
        "};\n");

    (void)state;
    assert_string_equal(plan->services[0].pool_key, plan->services[1].pool_key);
    for (size_t i = 1; i < plan->service_count; i++)
        for (size_t j = 0; j < i; j++)
            if (i != 1)
                assert_string_not_equal(plan->services[i].pool_key,
                                        plan->services[j].pool_key);
    plan_free(&plan);
}

static void a_pool_key_has_all_of_two_long_paths(void **state)
{
    struct plan_service service = { .way = PLAN_WAY_EXEC, .root = mem_new(4096),
                                    .directory = mem_new(4096) };
    char *key, *other;

    (void)state;
    memset((char *)service.root, '/', 4095);
    memset((char *)service.directory, '/', 4095);
    key = identity_pool_key(&service);
    ((char *)service.directory)[4094] = '.';
    other = identity_pool_key(&service);
    assert_string_not_equal(key, other);
    mem_free(&key);
    mem_free(&other);
    mem_free(&service.root);
    mem_free(&service.directory);
}

static void a_table_may_have_512_rows_and_no_more(void **state)
{
    char *text = mem_text("services: {\n"), *whole;
    struct mistakes mistakes = { 0 };
    struct plan *plan;

    (void)state;
    for (int i = 0; i < PLAN_SERVICES; i++) {
        char *more = mem_print(
            "%s s%d: { plugin = \"echo\"; listen = \"tcp://:%d\"; };\n", text, i, i + 1);

        mem_free(&text);
        text = more;
    }
    whole = mem_print("%s};\n", text);
    plan = build_plan_from(whole, "", false, &mistakes);
    assert_non_null(plan);
    assert_int_equal(plan->service_count, PLAN_SERVICES);
    plan_free(&plan);
    assert_null(build_plan_from(whole,
                           "more: { plugin = \"echo\"; listen = \"tcp://:999\"; };",
                           false, &mistakes));
    assert_int_equal(mistakes.count, 1);
    assert_string_equal(mistakes.at[0],
                        "rows/u.conf:1: more: the table has 513 services, more than 512");
    mistakes_free(&mistakes);
    mem_free(&whole);
    mem_free(&text);
}

static void root_needs_the_user_usher(void **state)
{
    struct mistakes mistakes = { 0 };
    struct plan *plan;
    uid_t uid;
    gid_t gid;

    (void)state;
    if (resolve_user("usher", &uid, &gid, NULL) == 0)
        skip();
    plan = build_plan_from("", NULL, true, &mistakes);
    assert_null(plan);
    assert_int_equal(mistakes.count, 1);
    assert_string_equal(
        mistakes.at[0],
        "t.conf: user: there is no user \"usher\"; add it, or name another");
    mistakes_free(&mistakes);
}

/* ---- names ----------------------------------------------------------------------- */

static void names_are_resolved(void **state)
{
    struct usher_address found[RESOLVE_HOSTS];
    struct err err = ERR_EMPTY;
    unsigned port;
    uid_t uid;
    gid_t gid;

    (void)state;
    assert_int_equal(resolve_host("*", AF_UNSPEC, found, &err), 2);
    assert_int_equal(resolve_host("*", AF_INET6, found, &err), 1);
    assert_true(addr_is_any(&found[0]));
    assert_int_equal(resolve_host("::ffff:10.0.0.1", AF_INET, found, &err), 1);
    assert_int_equal(resolve_host("::1", AF_INET, found, &err), -1);
    assert_string_equal(err.text, "::1 is not IPv4");
    assert_true(resolve_host("localhost", AF_INET, found, &err) >= 1);
    assert_true(addr_is_loopback(&found[0]));
    assert_int_equal(resolve_user("root", &uid, &gid, &err), 0);
    assert_int_equal(uid, 0);
    assert_int_equal(resolve_user("4242424", &uid, &gid, &err), 0);
    assert_int_equal(uid, 4242424);
    assert_int_equal(gid, (gid_t)-1);
    assert_int_equal(resolve_user("4294967295", &uid, &gid, &err), -1);
    assert_int_equal(resolve_group("root", &gid, &err), 0);
    assert_int_equal(gid, 0);
    assert_int_equal(resolve_port("65535", "tcp", &port, &err), 0);
    assert_int_equal(resolve_port("65536", "tcp", &port, &err), -1);
    assert_int_equal(resolve_port("", "tcp", &port, &err), -1);
    assert_int_equal(resolve_port("99999999999999999999", "tcp", &port, &err), -1);
    assert_int_equal(resolve_address("[::1]:80", found, &err), 0);
    assert_int_equal(addr_port(&found[0]), 80);
    assert_int_equal(resolve_address("localhost:81", found, &err), 0);
    assert_int_equal(addr_port(&found[0]), 81);
    assert_int_equal(resolve_address(":81", found, &err), -1);
    assert_int_equal(resolve_address("localhost:", found, &err), -1);
}

static void ports_have_names(void **state)
{
    unsigned port;

    (void)state;
    if (getservbyname("daytime", "udp") == NULL)
        skip(); /* a small system has no services file */
    assert_int_equal(resolve_port("daytime", "udp", &port, NULL), 0);
    assert_int_equal(port, 13);
}

static void services_dir_is_found_without_parsing(void **state)
{
    static const struct {
        const char *main_file, *text, *override, *want;
    } cases[] = {
        { "usher.conf", "", NULL, "services.d" },
        { "/etc/usher/usher.conf", "", NULL, "/etc/usher/services.d" },
        { "a/b.conf", "services_dir = \"rows\";", NULL, "a/rows" },
        { "a/b.conf", "services_dir : \"/r\" # x\n \"ows\";", NULL, "/rows" },
        { "a/b.conf", "x = { services_dir = \"no\"; }; /* services_dir = \"no\" */", NULL,
          "a/services.d" },
        { "b.conf", "text = \"services_dir = \\\"no\\\"\"; services_dir = \"y\\x65s\"",
          NULL, "yes" },
        { "b.conf", "services_dir = [ \"no\" ]", NULL, "services.d" },
        { "b.conf", "services_dir", NULL, "services.d" },
        { "b.conf", "services_dir = \"no\"", "services_dir=yes", "yes" },
        { "b.conf", "services_dir = \"yes\"", "services_dirs=no", "yes" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct check_input input = { .main_file = cases[i].main_file };
        char *bytes = mem_text(cases[i].text), name[] = "x";
        struct source_file file = { name, bytes, strlen(bytes), false };
        struct source source = { .files = &file, .file_count = 1 };
        char *got;

        if (cases[i].override != NULL)
            input.overrides = (struct usher_list){ 1, &cases[i].override };
        got = check_services_dir(&source, &input);
        assert_string_equal(got, cases[i].want);
        mem_free(&got);
        mem_free(&bytes);
    }
}

/* ---- as records ------------------------------------------------------------------ */

static void a_plan_is_read_as_it_was_printed(void **state)
{
    struct plan *plan = build_good_plan(table), *again;
    struct record_out first = RECORD_OUT_EMPTY, second = RECORD_OUT_EMPTY;
    struct err err = ERR_EMPTY;

    (void)state;
    planwire_print(&first, plan);
    again = planwire_parse(first.bytes, first.length, &err);
    if (again == NULL)
        fail_msg("%s", err.text);
    planwire_print(&second, again);
    assert_string_equal(first.bytes, second.bytes);
    assert_int_equal(again->services[0].socket_uid, (uid_t)-1);
    assert_true(endpoint_equal(&again->services[0].endpoints[3],
                               &plan->services[0].endpoints[3]));
    plan_free(&plan);
    plan_free(&again);
    record_out_free(&first);
    record_out_free(&second);
}

#define HEAD                                                                             \
    "plan config=x services=1\nglobal worker_count=1 control_read_gid=0 "                \
    "control_operate_gid=0\n"
#define PLUGIN                                                                           \
    "service name=a file=f line=1 plugin=echo plugin_path=/e way=dispatch "              \
    "blocking=0 needs=0 uid=1 gid=1 pool_key=k"
#define PROGRAM                                                                          \
    "service name=a file=f line=1 exec=/bin/cat way=exec blocking=0 needs=0 "            \
    "uid=1 gid=1 pool_key=k"
#define ENDPOINT "endpoint kind=tcp address=127.0.0.1:7 text=t optional=0 group=0"

static const struct {
    const char *text, *want; /* NULL: it is taken */
} records[] = {
    { HEAD PLUGIN "\n", NULL },
    { HEAD PROGRAM "\n", NULL },
    { HEAD PLUGIN "\n" ENDPOINT "\n", NULL },
    { HEAD PLUGIN " gids=5 gids=6\n", NULL },
    { "", "plan: it is not complete" },
    { HEAD, "plan: it is not complete" },
    { "plan config=x services=0\n", "plan: it is not complete" },
    { HEAD PLUGIN "\n" PROGRAM "\n", "plan: service: not expected here" },
    { HEAD HEAD, "plan: plan: came twice" },
    { "plan services=1\n", "plan: plan: config is missing" },
    { "plan config=x services=513\n",
      "plan: plan: services: \"513\" is not a number from 0 to 512" },
    { "plan config=x services=1 more=5\n", "plan: plan: unknown field more" },
    { "global worker_count=1\n", "plan: global: not expected here" },
    { "plan config=x services=0\nglobal worker_count=0 control_read_gid=0 "
      "control_operate_gid=0\n",
      "plan: global: worker_count: \"0\" is not a number from 1 to 128" },
    { "plan config=x services=0\nglobal loop=kqueue\n",
      "plan: global: loop: \"kqueue\" is not one of: auto, epoll, poll, select" },
    { "service name=a\n", "plan: service: not expected here" },
    { "option key=a value=b\n", "plan: option: not expected here" },
    { HEAD "other a=b\n", "plan: other: not expected here" },
    { HEAD PLUGIN "\nother a=b\n", "plan: other: unknown record" },
    { HEAD PLUGIN " name=b\n", "plan: service: name came twice" },
    { HEAD PLUGIN " plugin=b\n", "plan: service: plugin came twice" },
    { HEAD PLUGIN " more=b\n", "plan: service: unknown field more" },
    { HEAD PLUGIN " max_connections=0\n",
      "plan: service: max_connections: 0 is below 1" },
    { HEAD PLUGIN " exec=/bin/cat\n",
      "plan: service: way, plugin and exec do not go together" },
    { HEAD PLUGIN " wait=true\n", "plan: service: way and wait do not go together" },
    { HEAD PLUGIN " gids=x\n", "plan: service: gids: \"x\"" },
    { HEAD PLUGIN " socket_uid=4294967295\n",
      "plan: service: socket_uid: \"4294967295\" is not a number from 0 to 4294967294" },
    { HEAD
      "service name=a file=f line=1 plugin=echo plugin_path=/e way=dispatch blocking=0 "
      "needs=0 uid=0 gid=1 pool_key=k\n",
      "plan: service: a plugin would run as root" },
    { HEAD "service name=a file=f line=1 plugin=echo way=dispatch blocking=0 "
           "needs=0 uid=1 gid=1 pool_key=k\n",
      "plan: service: plugin_path is missing" },
    { HEAD
      "service name=a file=f line=1 plugin=echo plugin_path=e way=dispatch blocking=0 "
      "needs=0 uid=1 gid=1 pool_key=k\n",
      "plan: service: plugin_path is not absolute" },
    { HEAD
      "service name=a file=f line=1 exec=cat way=exec blocking=0 needs=0 uid=0 gid=1 "
      "pool_key=k\n",
      "plan: service: exec is not absolute" },
    { HEAD "service name=a file=f line=1 exec=/c way=run\n",
      "plan: service: way: none of ours" },
    { HEAD
      "service name=a file=f line=1 exec=/c way=exec blocking=0 needs=0 uid=0 gid=1\n",
      "plan: service: file or pool_key is missing" },
    { HEAD "service name= file=f\n",
      "plan: service: its name is missing, or came before" },
    { HEAD PLUGIN "\noption key=a\n", "plan: option: key or value is missing" },
    { HEAD PLUGIN "\nlimit resource=love value=5\n",
      "plan: limit: resource: none of ours" },
    { HEAD PLUGIN "\nlimit resource=cpu value=x\n", "plan: limit: value: not a size" },
    { HEAD PLUGIN "\n" ENDPOINT " name=x\n",
      "plan: endpoint: its kind and place do not go together" },
    { HEAD PLUGIN "\nendpoint kind=unix text=t optional=0 group=0\n",
      "plan: endpoint: its kind and place do not go together" },
    { HEAD PLUGIN "\nendpoint kind=tls text=t optional=0 group=0\n",
      "plan: endpoint: kind: none of ours" },
    { HEAD PLUGIN "\nendpoint kind=tcp address=127.0.0.1:7 optional=0 group=0\n",
      "plan: endpoint: text is missing" },
    { HEAD PLUGIN "\nendpoint kind=tcp address=127.0.0.1:7 text=t optional=2 group=0\n",
      "plan: endpoint: optional: \"2\" is not a number from 0 to 1" },
};

static void what_is_odd_is_not_believed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        struct err err = ERR_EMPTY;
        struct plan *plan =
            planwire_parse(records[i].text, strlen(records[i].text), &err);

        if ((plan == NULL) != (records[i].want != NULL)
            || (plan == NULL && strcmp(err.text, records[i].want) != 0))
            fail_msg("%s\nwant: %s\ngot:  %s", records[i].text,
                     records[i].want != NULL ? records[i].want : "a plan", err.text);
        plan_free(&plan);
    }
}

/* Whatever a byte becomes, it is refused, or gives a plan that prints like itself. */
static void every_changed_byte_is_taken_or_refused(void **state)
{
    static const char bytes[] = "\n =\\x0-z/";
    struct plan *plan = build_good_plan(table);
    struct record_out out = RECORD_OUT_EMPTY;

    (void)state;
    planwire_print(&out, plan);
    for (size_t i = 0; i < out.length; i++) {
        char before = out.bytes[i];
        struct plan *again;

        out.bytes[i] = bytes[i % (sizeof(bytes) - 1)];
        again = planwire_parse(out.bytes, out.length, NULL);
        plan_free(&again);
        out.bytes[i] = before;
        again = planwire_parse(out.bytes, i, NULL);
        plan_free(&again);
    }
    plan_free(&plan);
    record_out_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_becomes_a_plan),
        cmocka_unit_test(udp_ports_of_rows_that_are_on_are_known),
        cmocka_unit_test(ways_have_names),
        cmocka_unit_test(presets_follow_their_own_rules),
        cmocka_unit_test(rows_of_equal_identity_share_a_pool),
        cmocka_unit_test(a_pool_key_has_all_of_two_long_paths),
        cmocka_unit_test(a_table_may_have_512_rows_and_no_more),
        cmocka_unit_test(root_needs_the_user_usher),
        cmocka_unit_test(names_are_resolved),
        cmocka_unit_test(a_failed_look_up_is_no_missing_user),
        cmocka_unit_test(ports_have_names),
        cmocka_unit_test(services_dir_is_found_without_parsing),
        cmocka_unit_test(a_plan_is_read_as_it_was_printed),
        cmocka_unit_test(what_is_odd_is_not_believed),
        cmocka_unit_test(every_changed_byte_is_taken_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
