#include "proc/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/seccomp.h>

#include <usher/service.h>

#include "base/mem.h"
#include "proc/calls.h"

struct building {
    scmp_filter_ctx context;
    int failure; /* of libseccomp, negative errno; 0: none yet */
};

/* ---- rules ------------------------------------------------------------------------- */

/* A call that this processor does not have has a number below -1. */
static int number_of(const char *name)
{
    return seccomp_syscall_resolve_name(name);
}

static void add(struct building *building, uint32_t action, const char *name,
                const struct scmp_arg_cmp *only, unsigned count)
{
    int number = number_of(name), result;

    if (number == __NR_SCMP_ERROR || building->failure != 0)
        return;
    result = seccomp_rule_add_array(building->context, action, number, count, only);
    if (result != 0 && result != -EDOM && result != -EEXIST)
        building->failure = result;
}

static void add_all(struct building *building, uint32_t action, enum calls set)
{
    for (const char *const *name = calls_of(set); *name != NULL; name++)
        add(building, action, *name, NULL, 0);
}

static void allow_bits(struct building *building, const char *name, unsigned argument,
                       uint64_t mask)
{
    struct scmp_arg_cmp only = { argument, SCMP_CMP_MASKED_EQ, mask, 0 };

    add(building, SCMP_ACT_ALLOW, name, &only, 1);
}

static void allow_value(struct building *building, const char *name, unsigned argument,
                        uint64_t value)
{
    struct scmp_arg_cmp only = { argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value };

    add(building, SCMP_ACT_ALLOW, name, &only, 1);
}

/* ---- calls that depend on what is asked -------------------------------------------- */

static void allow_descriptors(struct building *building)
{
    static const int commands[] = { F_GETFL, F_SETFL, F_GETFD,
                                    F_SETFD, F_DUPFD, F_DUPFD_CLOEXEC };
    static const unsigned long questions[] = { FIONREAD, FIONBIO, SIOCOUTQ };

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        allow_value(building, "fcntl", 1, (unsigned)commands[i]);
        allow_value(building, "fcntl64", 1, (unsigned)commands[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        allow_value(building, "ioctl", 1, questions[i]);
}

static void allow_socket_options(struct building *building)
{
    static const struct {
        int level, name;
    } options[] = {
        { SOL_SOCKET, SO_LINGER },      { SOL_SOCKET, SO_RCVLOWAT },
        { SOL_SOCKET, SO_KEEPALIVE },   { SOL_SOCKET, SO_SNDBUF },
        { SOL_SOCKET, SO_RCVBUF },      { SOL_SOCKET, SO_RCVTIMEO },
        { SOL_SOCKET, SO_SNDTIMEO },    { SOL_SOCKET, SO_REUSEADDR },
        { SOL_SOCKET, SO_BROADCAST },   { IPPROTO_TCP, TCP_NODELAY },
        { IPPROTO_TCP, TCP_CORK },      { IPPROTO_TCP, TCP_QUICKACK },
        { IPPROTO_TCP, TCP_KEEPIDLE },  { IPPROTO_TCP, TCP_KEEPINTVL },
        { IPPROTO_TCP, TCP_KEEPCNT },   { IPPROTO_TCP, TCP_USER_TIMEOUT },
        { IPPROTO_IPV6, IPV6_V6ONLY },  { IPPROTO_IP, IP_RECVERR },
        { IPPROTO_IPV6, IPV6_RECVERR },
    };

    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        struct scmp_arg_cmp both[] = {
            { 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, (unsigned)options[i].level },
            { 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, (unsigned)options[i].name },
        };

        add(building, SCMP_ACT_ALLOW, "setsockopt", both, ARRAY_LEN(both));
    }
}

static void allow_memory(struct building *building, bool with_code)
{
    static const char *const calls[] = { "mmap", "mmap2", "mprotect" };

    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (with_code)
            add(building, SCMP_ACT_ALLOW, calls[i], NULL, 0);
        else
            allow_bits(building, calls[i], 2, PROT_EXEC);
    }
}

/* Who will close one more door opens /dev/null for that. */
static void allow_files(struct building *building, const struct filter *filter)
{
    const uint64_t making = O_CREAT | O_TRUNC | O_APPEND;
    const uint64_t writing = filter->may_close ? making : making | O_ACCMODE;

    add_all(building, SCMP_ACT_ALLOW, CALLS_FILES);
    allow_bits(building, "open", 1, writing);
    allow_bits(building, "openat", 2, writing);
    if (filter->has_landlock)
        add(building, SCMP_ACT_ALLOW, "openat2", NULL, 0);
    allow_value(building, "fcntl", 1, F_SETLKW); /* what utmp's readers do */
    allow_value(building, "fcntl", 1, F_OFD_SETLKW);
}

/* Without a look at files: fstat() of a library without that call asks so. */
static void allow_fstat(struct building *building)
{
    struct scmp_arg_cmp empty_path = { 3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH,
                                       AT_EMPTY_PATH };

    add(building, SCMP_ACT_ALLOW, "fstat", NULL, 0);
    add(building, SCMP_ACT_ALLOW, "fstat64", NULL, 0);
    add(building, SCMP_ACT_ALLOW, "newfstatat", &empty_path, 1);
    add(building, SCMP_ACT_ALLOW, "fstatat64", &empty_path, 1);
}

static void allow_sockets(struct building *building, unsigned needs)
{
    if (needs & USHER_NEEDS_PASSWD)
        allow_value(building, "socket", 0, AF_UNIX);
    if (needs & USHER_NEEDS_NETWORK)
        allow_value(building, "socket", 0, AF_NETLINK);
    if (needs & USHER_NEEDS_CONNECT) {
        allow_value(building, "socket", 0, AF_INET);
        allow_value(building, "socket", 0, AF_INET6);
    }
    if (needs & (USHER_NEEDS_PASSWD | USHER_NEEDS_NETWORK | USHER_NEEDS_CONNECT))
        add_all(building, SCMP_ACT_ALLOW, CALLS_SOCKETS);
}

static void allow_children(struct building *building)
{
#ifdef __s390x__
    const unsigned flags = 1;
#else
    const unsigned flags = 0;
#endif
    const uint64_t apart = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                           CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

    add_all(building, SCMP_ACT_ALLOW, CALLS_CHILDREN);
    allow_bits(building, "clone", flags, apart);
    allow_value(building, "socketpair", 0, AF_UNIX);
}

/* abort() is all that needs it. A child's own number is not known yet: proc/fence
 * will. */
static void allow_abort(struct building *building, bool has_children)
{
    struct scmp_arg_cmp only[] = {
        { 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, SIGABRT },
        { 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, (unsigned)getpid() },
    };

    add(building, SCMP_ACT_ALLOW, "tgkill", only, has_children ? 1 : 2);
}

static void allow_fence(struct building *building)
{
    struct scmp_arg_cmp only[] = { { 0, SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER, 0 },
                                   { 1, SCMP_CMP_EQ, 0, 0 } };

    add(building, SCMP_ACT_ALLOW, "seccomp", only, ARRAY_LEN(only));
}

/* One's own: the kernel would ask nothing but that others are of the same user. Reading
 * them is not setting them. */
static void allow_limits(struct building *building, bool may_set)
{
    struct scmp_arg_cmp only[] = { { 0, SCMP_CMP_EQ, 0, 0 }, { 2, SCMP_CMP_EQ, 0, 0 } };

    add(building, SCMP_ACT_ALLOW, "prlimit64", only, may_set ? 1 : 2);
}

/* ---- the two lists ----------------------------------------------------------------- */

/* What was allowed under a condition keeps the default for the rest: one call has one
 * answer. */
static bool is_conditional(const struct filter *filter, const char *name)
{
    bool has_files = (filter->needs & (USHER_NEEDS_FILES | USHER_NEEDS_PASSWD)) != 0;
    bool has_sockets = (filter->needs & (USHER_NEEDS_PASSWD | USHER_NEEDS_NETWORK |
                                         USHER_NEEDS_CONNECT)) != 0;
    const struct {
        const char *name;
        bool is;
    } all[] = {
        { "open", has_files },
        { "openat", has_files },
        { "socket", has_sockets },
        { "socketpair", filter->has_children },
        { "clone", filter->has_children },
        { "prlimit64", true },
        { "mprotect", true },
        { "seccomp", filter->may_fence },
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (number_of(all[i].name) == number_of(name))
            return all[i].is;
    return false;
}

static bool is_among(const char *name, enum calls set)
{
    for (const char *const *at = calls_of(set); *at != NULL; at++)
        if (number_of(*at) == number_of(name))
            return true;
    return false;
}

/* Whether the process has been given this call as it is. */
static bool is_allowed(const struct filter *filter, const char *name)
{
    unsigned needs = filter->needs;

    if ((needs & (USHER_NEEDS_FILES | USHER_NEEDS_PASSWD)) &&
        (is_among(name, CALLS_FILES) ||
         (filter->has_landlock && number_of("openat2") == number_of(name))))
        return true;
    if ((needs & (USHER_NEEDS_PASSWD | USHER_NEEDS_NETWORK | USHER_NEEDS_CONNECT)) &&
        is_among(name, CALLS_SOCKETS))
        return true;
    return (filter->has_children && is_among(name, CALLS_CHILDREN)) ||
           (filter->may_close && is_among(name, CALLS_LOADING));
}

static void refuse(struct building *building, const struct filter *filter, enum calls set,
                   int code)
{
    for (const char *const *name = calls_of(set); *name != NULL; name++)
        if (!is_conditional(filter, *name) && !is_allowed(filter, *name))
            add(building, SCMP_ACT_ERRNO((uint32_t)code), *name, NULL, 0);
}

static void fill_allowed(struct building *building, const struct filter *filter)
{
    bool has_files = (filter->needs & (USHER_NEEDS_FILES | USHER_NEEDS_PASSWD)) != 0;

    add_all(building, SCMP_ACT_ALLOW, CALLS_BASE);
    allow_descriptors(building);
    allow_socket_options(building);
    allow_memory(building,
                 filter->may_map_code || (filter->needs & USHER_NEEDS_PASSWD) != 0);
    if (has_files)
        allow_files(building, filter);
    else
        allow_fstat(building);
    allow_sockets(building, filter->needs);
    if (filter->has_children)
        allow_children(building);
    allow_abort(building, filter->has_children);
    if (filter->may_fence)
        allow_fence(building);
    if (filter->may_close)
        add_all(building, SCMP_ACT_ALLOW, CALLS_LOADING);
    if (!filter->has_children)
        allow_limits(building, filter->may_close);
    refuse(building, filter, CALLS_NO_FILE, EACCES);
    refuse(building, filter, CALLS_NO_RIGHT, EPERM);
    add_all(building, SCMP_ACT_KILL_PROCESS, CALLS_HOSTILE);
}

/* Of others of its user: its worker, and plugins'. */
static void deny_limits_of_others(struct building *building)
{
    struct scmp_arg_cmp other = { 0, SCMP_CMP_NE, 0, 0 };

    add(building, SCMP_ACT_ERRNO(EPERM), "prlimit64", &other, 1);
}

/* Programs may be of the processor's other kinds too: the same calls have other numbers
 * there. */
static void fill_denied(struct building *building, bool may_trace)
{
#ifdef __x86_64__
    int result = seccomp_arch_add(building->context, SCMP_ARCH_X86);

    if (result == 0)
        result = seccomp_arch_add(building->context, SCMP_ARCH_X32);
    if (result != 0 && result != -EEXIST)
        building->failure = result;
#endif
    for (const char *const *name = calls_of(CALLS_PROGRAMS_MAY_NOT); *name != NULL;
         name++)
        if (!may_trace || strcmp(*name, "ptrace") != 0)
            add(building, SCMP_ACT_ERRNO(EPERM), *name, NULL, 0);
    deny_limits_of_others(building);
}

/* A tree by number instead of a list: every call costs about the same few comparisons,
 * and kernels since 5.11 ask the filter only for calls that have a condition.
 * no_new_privs is our own affair. */
static void set_attributes(struct building *building)
{
    int result = seccomp_attr_set(building->context, SCMP_FLTATR_CTL_NNP, 0);

    if (result == 0)
        result = seccomp_attr_set(building->context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (result == 0)
        result = seccomp_attr_set(building->context, SCMP_FLTATR_ACT_BADARCH,
                                  SCMP_ACT_KILL_PROCESS);
    building->failure = result;
}

int filter_close(const struct filter *filter, struct err *err)
{
    struct building building = { 0 };
    uint32_t preset = filter->is_program ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS);

    building.context = seccomp_init(preset);
    if (building.context == NULL)
        return err_set(err, "sandbox: seccomp: no filter can be made");
    set_attributes(&building);
    if (building.failure == 0 && filter->is_program)
        fill_denied(&building, filter->may_trace);
    else if (building.failure == 0)
        fill_allowed(&building, filter);
    if (building.failure == 0)
        building.failure = seccomp_load(building.context);
    seccomp_release(building.context);
    errno = -building.failure;
    return building.failure == 0 ? 0 : err_sys(err, "sandbox: seccomp");
}
