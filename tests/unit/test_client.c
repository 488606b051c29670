/* usherctl's way to a daemon that is not there. What a daemon may answer is
 * fuzz_answer's. */
#include "ctl/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static char folder[] = "/tmp/usher-client-XXXXXX";

static void take(struct record *record, void *context)
{
    (void)record;
    (void)context;
    fail_msg("%s", "an answer from nobody");
}

/* There is no answer, and the error has this in it. */
static void refuses(const char *path, const char *want)
{
    struct client_call call = { .path = path, .request = RECORD_OUT_EMPTY, .each = take };
    struct err err = ERR_EMPTY;

    record_begin(&call.request, "list");
    record_end(&call.request);
    assert_int_equal(client_ask(&call, &err), -1);
    if (strstr(err.text, want) == NULL)
        fail_msg("\"%s\", not \"%s\"", err.text, want);
    assert_null(call.request.bytes);
}

static int listener(int type, const char *name)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(at.sun_path, sizeof(at.sun_path), "%s", name);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    if (type != SOCK_DGRAM)
        assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void who_is_not_there_is_named(void **state)
{
    char path[200];
    int fd;

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    refuses("missing", "missing: usherd does not run, or listens elsewhere (-s)");
    close(listener(SOCK_SEQPACKET, "left"));
    refuses("left", "left: usherd does not run, or listens elsewhere (-s)");
    fd = listener(SOCK_STREAM, "other");
    refuses("other", "other: ");
    close(fd);
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    refuses(path, "of 199 bytes is above");
    unlink("left");
    unlink("other");
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_not_there_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
