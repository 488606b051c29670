#include "person.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALUE_MAX 128 /* bytes of a name, a path */

static bool home_path(const struct passwd *who, const char *name, char *to)
{
    int length;

    if (who->pw_dir == NULL || who->pw_dir[0] != '/')
        return false;
    length = snprintf(to, PATH_MAX, "%s/%s", who->pw_dir, name);
    return length > 0 && length < PATH_MAX;
}

bool person_is_hidden(const struct passwd *who)
{
    char path[PATH_MAX];
    struct stat st;

    if (!home_path(who, ".nofinger", path))
        return false;
    return lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* Opens a file that the person, nobody else, left there: no link to somebody's secret, no
 * pipe that keeps us waiting, no device. -1: there is none. */
static int open_own_file(const struct passwd *who, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    int fd;

    if (!home_path(who, name, path))
        return -1;
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd == -1)
        return -1;
    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_uid != who->pw_uid) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The beginning of the file; -1: it cannot be read. */
static ssize_t read_own_file(const struct passwd *who, const char *name, char *to,
                             size_t room)
{
    int fd = open_own_file(who, name);
    size_t count = 0;
    ssize_t part = -1;

    if (fd == -1)
        return -1;
    while (count < room && (part = read(fd, to + count, room - count)) != 0) {
        if (part == -1 && errno != EINTR)
            break;
        count += part > 0 ? (size_t)part : 0;
    }
    close(fd);
    return part == -1 ? -1 : (ssize_t)count;
}

static void describe_project(const struct passwd *who, struct text *to)
{
    char bytes[PERSON_PROJECT_MAX + 1];
    ssize_t count = read_own_file(who, ".project", bytes, PERSON_PROJECT_MAX);

    if (count <= 0)
        return;
    bytes[count] = '\0';
    text_field(to, "Project", bytes, strcspn(bytes, "\n"));
}

static void describe_plan(const struct passwd *who, struct text *to)
{
    char bytes[PERSON_PLAN_MAX];
    ssize_t count = read_own_file(who, ".plan", bytes, sizeof(bytes));
    const char *head = count > 0 ? "Plan:" : "No plan.";

    text_add(to, head, strlen(head));
    text_end_line(to);
    if (count > 0)
        text_add_lines(to, bytes, (size_t)count);
}

void person_name(const struct passwd *who, struct text *to)
{
    const char *at = who->pw_gecos != NULL ? who->pw_gecos : "";
    size_t count = strcspn(at, ",");
    char first = who->pw_name[0];

    if (first >= 'a' && first <= 'z')
        first = (char)(first - 'a' + 'A');
    for (size_t i = 0; i < count && i < VALUE_MAX; i++) {
        if (at[i] != '&') {
            text_add(to, at + i, 1);
            continue;
        }
        text_add(to, &first, 1);
        text_add(to, who->pw_name + 1, VALUE_MAX);
    }
}

void person_describe(const struct passwd *who, unsigned tell, struct text *to)
{
    text_field(to, "Login", who->pw_name, VALUE_MAX);
    if (tell & PERSON_NAME) {
        text_add(to, "Name: ", 6);
        person_name(who, to);
        text_end_line(to);
    }
    if (tell & PERSON_HOME)
        text_field(to, "Directory", who->pw_dir, VALUE_MAX);
    if (tell & PERSON_SHELL)
        text_field(to, "Shell", who->pw_shell, VALUE_MAX);
    if (tell & PERSON_PROJECT)
        describe_project(who, to);
    if (tell & PERSON_PLAN)
        describe_plan(who, to);
}
