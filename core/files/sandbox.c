/* The child's side of a sandboxed program: everything that a hostile document could gain from a
 * hole in the parser is removed before the program starts. Resource limits bound what it uses; no
 * new privileges and a list of refused system calls bound what it reaches: no sockets, no other
 * process, no writing to any file system, no new process. It is a list of refused calls, not of
 * allowed ones, because the program's libraries change with the system. Reading remains possible,
 * so this runs as the server's user and does not protect files that this user may read. Where
 * seccomp has no known architecture here, only the limits apply. */
#include "files/extract_internal.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef NATIVE_ARCH

#define FIELD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, name))
#define REFUSE      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */)
#define DENY(call)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), REFUSE

/* Opening is for reading: the low half of the flags' argument, then the number again. */
#define READ_ONLY(call, flags)                                                                     \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 4), FIELD(args[flags]),                    \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_ACCMODE | O_CREAT | O_TRUNC, 0, 1), REFUSE,         \
        FIELD(nr)

static const struct sock_filter filter[] = {
    FIELD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    FIELD(nr),
    READ_ONLY(openat, 2),
#ifdef __x86_64__
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), /* the x32 calls */
    REFUSE,
    READ_ONLY(open, 1),
    DENY(creat),
    DENY(fork),
    DENY(vfork),
    DENY(unlink),
    DENY(rmdir),
    DENY(rename),
    DENY(mkdir),
    DENY(mknod),
    DENY(link),
    DENY(symlink),
    DENY(chmod),
    DENY(chown),
    DENY(lchown),
    DENY(utime),
    DENY(utimes),
#endif
    DENY(clone),
    DENY(clone3),
    DENY(openat2),
    DENY(open_by_handle_at),
    DENY(unlinkat),
    DENY(renameat),
    DENY(renameat2),
    DENY(mkdirat),
    DENY(mknodat),
    DENY(linkat),
    DENY(symlinkat),
    DENY(fchmod),
    DENY(fchmodat),
    DENY(fchown),
    DENY(fchownat),
    DENY(utimensat),
    DENY(truncate),
    DENY(ftruncate),
    DENY(setxattr),
    DENY(fsetxattr),
    DENY(lsetxattr),
    DENY(socket),
    DENY(socketpair),
    DENY(connect),
    DENY(bind),
    DENY(sendto),
    DENY(sendmsg),
    DENY(kill),
    DENY(tkill),
    DENY(tgkill),
    DENY(rt_sigqueueinfo),
    DENY(pidfd_open),
    DENY(pidfd_getfd),
    DENY(pidfd_send_signal),
    DENY(ptrace),
    DENY(process_vm_readv),
    DENY(process_vm_writev),
    DENY(mount),
    DENY(umount2),
    DENY(pivot_root),
    DENY(chroot),
    DENY(unshare),
    DENY(setns),
    DENY(setuid),
    DENY(setgid),
    DENY(setresuid),
    DENY(setresgid),
    DENY(bpf),
    DENY(perf_event_open),
    DENY(io_uring_setup),
    DENY(userfaultfd),
    DENY(keyctl),
    DENY(add_key),
    DENY(request_key),
    DENY(memfd_create),
    DENY(shmget),
    DENY(msgget),
    DENY(semget),
    DENY(init_module),
    DENY(finit_module),
    DENY(kexec_load),
    DENY(reboot),
    DENY(sethostname),
    DENY(settimeofday),
    DENY(clock_settime),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static bool refuse_calls(void)
{
    const struct sock_fprog program = {
        .len = sizeof(filter) / sizeof(filter[0]),
        .filter = (struct sock_filter *)filter,
    };
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

#else

static bool refuse_calls(void)
{
    return true;
}

#endif

static bool limit(__rlimit_resource_t what, rlim_t soft, rlim_t hard)
{
    const struct rlimit value = {soft, hard};
    return setrlimit(what, &value) == 0;
}

/* stdin and stdout in their places, whatever numbers the two came with; stderr goes to nobody. */
static bool place_descriptors(int in, int out)
{
    int in_high = fcntl(in, F_DUPFD, 3);
    int out_high = fcntl(out, F_DUPFD, 3);
    int null_fd = open("/dev/null", O_WRONLY);
    if (in_high < 0 || out_high < 0 || null_fd < 0)
        return false;
    if (dup2(null_fd, 2) < 0 || dup2(in_high, 0) < 0 || dup2(out_high, 1) < 0)
        return false;
    if (close_range(3, ~0u, 0) != 0)
        for (int fd = 3; fd < 65536; fd++)
            close(fd);
    return true;
}

static void default_signals(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void tt_extract_sandbox_exec(const char *const argv[], int in, int out,
                             const struct tt_extract_limits *limits)
{
    const char *const no_environment[] = {NULL};
    rlim_t cpu = limits->cpu_seconds;
    default_signals();
    bool ready = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && place_descriptors(in, out) &&
                 limit(RLIMIT_CPU, cpu, cpu + 1) &&
                 limit(RLIMIT_AS, limits->memory_max, limits->memory_max) &&
                 limit(RLIMIT_FSIZE, 0, 0) && limit(RLIMIT_CORE, 0, 0) &&
                 limit(RLIMIT_NOFILE, 32, 32) && chdir("/") == 0 &&
                 prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && refuse_calls();
    if (!ready)
        _exit(126);
    /* The bare call: coverage builds make of execve(3) one that writes a file first. */
    syscall(SYS_execve, argv[0], argv, no_environment);
    _exit(127);
}
