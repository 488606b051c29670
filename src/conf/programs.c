#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "conf/checking.h"

/* What we may not look at the worker will find out. */
static int check_program(const struct row_check *row, const char *path, struct err *err)
{
    const struct check_input *input = row->all->input;
    struct stat st;

    if (path[0] != '/')
        return err_set(err, "\"%s\" is not an absolute path", path);
    if (checking_stat(row, path, &st) == -1) {
        /* A row that is off may wait for its program to be installed. */
        if (errno == EACCES || (errno == ENOENT && !row->service->enabled))
            return 0;
        return err_sys(err, "%s", path);
    }
    if (S_ISDIR(st.st_mode))
        return err_set(err, "%s is a directory", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, "%s is not a regular file", path);
    if ((st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0
        /* no root then */
        || (!input->is_root && input->uid == geteuid() && access(path, X_OK) == -1))
        return err_set(err, "%s is not executable", path);
    if (input->is_root && row->service->uid == 0
        && (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0))
        return err_set(err, "%s would run as root, but others may write it", path);
    return 0;
}

static bool is_name(const char *text, size_t count)
{
    if (count == 0 || (text[0] >= '0' && text[0] <= '9'))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!(text[i] == '_' || (text[i] >= '0' && text[i] <= '9')
              || (text[i] >= 'a' && text[i] <= 'z')
              || (text[i] >= 'A' && text[i] <= 'Z')))
            return false;
    return true;
}

static void check_environment(struct row_check *row)
{
    const struct usher_list *env = &row->service->env, *pass = &row->service->pass_env;

    for (size_t i = 0; i < env->count; i++) {
        const char *equals = strchr(env->at[i], '=');

        if (equals == NULL || !is_name(env->at[i], (size_t)(equals - env->at[i])))
            row_mistake_at(row, "env", i, "\"%s\" is not NAME=value", env->at[i]);
    }
    for (size_t i = 0; i < pass->count; i++)
        if (!is_name(pass->at[i], strlen(pass->at[i])))
            row_mistake_at(row, "pass_env", i, "\"%s\" is not the name of a variable",
                           pass->at[i]);
}

void programs_check(struct row_check *row)
{
    struct err err = ERR_EMPTY;

    if (check_program(row, row->service->exec.at[0], &err) == -1)
        row_mistake_at(row, "exec", 0, "%s", err.text);
    check_environment(row);
}
