/* SPDX-License-Identifier: MIT */
/* The trainer's sandbox, from the kernel's own interfaces: Landlock so that no file can
 * be opened but temporary ones in the scratch folder, and a system-call filter that
 * refuses sockets, other programs and the calls that reach into other processes. Memory
 * mapped and descriptors inherited before stay usable. A refused call gives EPERM, not
 * death: a library that tries one carries on.
 *
 * Sanitizers need some of the refused calls at exit, so such builds leave the filter out.
 */
#include "server/sandbox.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

enum { TRAINER_NICE = 10 };

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t ignored = write(fd, text, strlen(text));
    (void)ignored;
    close(fd);
}

void sandbox_prepare(void)
{
    static const struct rlimit none = {0, 0};
    static const struct sched_param plain = {0};
    setpriority(PRIO_PROCESS, 0, TRAINER_NICE);
    sched_setscheduler(0, SCHED_BATCH, &plain);
    write_file("/proc/self/oom_score_adj", "800");
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Everything the first version of Landlock can refuse. */
static const uint64_t ALL_ACCESS =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM;
static const uint64_t SCRATCH_ACCESS =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
    LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_REG;
static const uint64_t LOOK_ACCESS =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;

static int allow(int rules, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access};
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return -1;
    long failed =
        syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
    return failed ? -1 : 0;
}

static int limit_files(const char *scratch)
{
    struct landlock_ruleset_attr about = {.handled_access_fs = ALL_ACCESS};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &about, sizeof about, 0);
    if (rules < 0)
        return -1;
    int failed = allow(rules, scratch, SCRATCH_ACCESS);
    if (!failed)
        failed = allow(rules, "/proc", LOOK_ACCESS);
    if (!failed)
        failed = allow(rules, "/sys/devices/system", LOOK_ACCESS);
    if (!failed)
        failed = (int)syscall(SYS_landlock_restrict_self, rules, 0);
    close(rules);
    return failed;
}

#if !defined FIRTH_SANITIZED && (defined __x86_64__ || defined __aarch64__)
#ifdef __x86_64__
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define REFUSED(number)                                                                  \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                 \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */)

static int limit_calls(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        REFUSED(SYS_socket),
        REFUSED(SYS_socketpair),
        REFUSED(SYS_connect),
        REFUSED(SYS_bind),
        REFUSED(SYS_listen),
        REFUSED(SYS_accept),
        REFUSED(SYS_accept4),
        REFUSED(SYS_execve),
        REFUSED(SYS_execveat),
        REFUSED(SYS_ptrace),
        REFUSED(SYS_process_vm_readv),
        REFUSED(SYS_process_vm_writev),
        REFUSED(SYS_pidfd_open),
        REFUSED(SYS_bpf),
        REFUSED(SYS_perf_event_open),
        REFUSED(SYS_userfaultfd),
        REFUSED(SYS_mount),
        REFUSED(SYS_umount2),
        REFUSED(SYS_unshare),
        REFUSED(SYS_setns),
        REFUSED(SYS_keyctl),
        REFUSED(SYS_add_key),
        REFUSED(SYS_request_key),
        REFUSED(SYS_io_uring_setup),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#else
static int limit_calls(void)
{
    return -1;
}
#endif

void sandbox_enter(const char *scratch)
{
    const char *temporary = getenv("TMPDIR");
    if (!*scratch)
        scratch = temporary && *temporary ? temporary : "/tmp";
    int files = limit_files(scratch), calls = limit_calls();
    LOG_EVENT(LOG_DEBUG, "trainer_sandbox", LOG_T("files", files ? "open" : "limited"),
              LOG_T("calls", calls ? "open" : "limited"));
}
