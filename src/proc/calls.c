#include "proc/calls.h"

#include <stddef.h>

/* By what callers cause most often down to what is called once. */
static const char *const base[] = {
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "read", "write", "recvfrom",
    "sendto", "accept4", "accept", "close", "recvmsg", "sendmsg", "recvmmsg", "sendmmsg",
    "readv", "writev", "recv", "send", "shutdown", "poll", "ppoll", "select", "pselect6",
    "_newselect", "getsockopt", "getsockname", "getpeername", "sendfile", "sendfile64",
    "splice", "tee", "clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday",
    "time", "futex", "futex_time64", "brk", "munmap", "madvise", "rt_sigreturn",
    "rt_sigprocmask", "rt_sigaction", "sigaltstack", "restart_syscall", "getrandom",
    "timerfd_settime", "timerfd_create", "epoll_create1", "eventfd2", "pipe2", "dup",
    "close_range", "lseek", "_llseek", "nanosleep", "clock_nanosleep", "sched_yield",
    "sched_getaffinity", "getcpu", "sysinfo", "uname", "getpid", "gettid", "getppid",
    "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getpgid",
    "getpgrp", "getsid", "getrusage", "times", "getrlimit", "ugetrlimit", "wait4",
    "waitid", "membarrier", "rseq", "set_robust_list", "set_tid_address", "umask", "exit",
    "exit_group", "listen", NULL
};

static const char *const files[] = {
    "stat", "lstat", "fstat", "newfstatat", "fstatat64", "stat64", "lstat64", "fstat64",
    "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents",
    "getdents64", "pread64", "preadv", "fadvise64", "getcwd", "statfs", "fstatfs",
    "statfs64", "fstatfs64", "fchdir", "alarm", "setitimer", NULL
};

static const char *const sockets[] = { "connect", "bind", NULL };

static const char *const children[] = {
    "fork", "vfork", "kill", "setsid", "setpgid", "dup2", "dup3", "pipe", "prlimit64",
    "setrlimit", "pidfd_open", "pidfd_send_signal", NULL
};

static const char *const loading[] = {
    "prctl", "seccomp", "landlock_create_ruleset", "landlock_add_rule",
    "landlock_restrict_self", "setrlimit", NULL
};

static const char *const hostile[] = {
    "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "pidfd_getfd", "kcmp", "mount", "umount", "umount2", "pivot_root",
    "fsopen", "fsmount", "fsconfig", "fspick", "move_mount", "open_tree", "mount_setattr",
    "bpf", "init_module", "finit_module", "delete_module", "create_module", "kexec_load",
    "kexec_file_load", "unshare", "setns", "userfaultfd", "io_uring_setup",
    "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key",
    "perf_event_open", "open_by_handle_at", "name_to_handle_at", "reboot", "swapon",
    "swapoff", "iopl", "ioperm", "modify_ldt", "acct", "quotactl", "syslog",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname",
    "setdomainname", "vhangup", "chroot", "personality", NULL
};

static const char *const no_file[] = {
    "open", "openat", "openat2", "creat", "stat", "lstat", "stat64", "lstat64", "statx",
    "access", "faccessat", "faccessat2", "readlink", "readlinkat", "mkdir", "mkdirat",
    "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2", "link", "linkat",
    "symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat",
    "lchown", "truncate", "ftruncate", "mknod", "mknodat", "chdir", "socket",
    "socketpair", "connect", "bind", "listen", NULL
};

static const char *const no_right[] = {
    "clone", "fork", "vfork", "kill", "tkill", "setuid", "setgid", "setreuid", "setregid",
    "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups", "capset", "prctl",
    "setpriority", "sched_setscheduler", "prlimit64", "setrlimit", "setsid", "mprotect",
    "pkey_mprotect", "seccomp", NULL
};

/* What a program that serves has no use for, whoever it runs as: each of them has let
 * somebody out of his box before. */
static const char *const programs_may_not[] = {
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd",
    "kcmp", "mount", "umount", "umount2", "pivot_root", "fsopen", "fsmount", "fsconfig",
    "fspick", "move_mount", "open_tree", "mount_setattr", "bpf", "init_module",
    "finit_module", "delete_module", "create_module", "kexec_load", "kexec_file_load",
    "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl",
    "add_key", "request_key", "perf_event_open", "open_by_handle_at", "swapon", "swapoff",
    "iopl", "ioperm", NULL
};

const char *const *calls_of(enum calls set)
{
    switch (set) {
    case CALLS_BASE: return base;
    case CALLS_FILES: return files;
    case CALLS_SOCKETS: return sockets;
    case CALLS_CHILDREN: return children;
    case CALLS_LOADING: return loading;
    case CALLS_HOSTILE: return hostile;
    case CALLS_NO_FILE: return no_file;
    case CALLS_NO_RIGHT: return no_right;
    case CALLS_PROGRAMS_MAY_NOT: break;
    }
    return programs_may_not;
}
