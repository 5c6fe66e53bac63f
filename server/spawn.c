/* SPDX-License-Identifier: MIT */
/* posix_spawn of the daemon's own program: no fork handlers run, no locks are copied, and
 * what the trainer starts with is listed here in full. OpenBLAS makes its threads when it
 * is loaded, so its environment variable has to be set before the new program starts. */
#include "server/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

extern char **environ;

/* Descriptors are first moved up here, so that placing one cannot overwrite another. */
enum { SAFE_FD = 64, FDS_MAX = 4 + PARAM_LIST_MAX };

struct descriptors {
    int fds[FDS_MAX]; /* in the order of the trainer, from TRAINER_SOCKET on */
    size_t count;
};

static void close_all(struct descriptors *list)
{
    for (size_t i = 0; i < list->count; i++)
        close(list->fds[i]);
    list->count = 0;
}

static enum err add_fd(struct descriptors *list, int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, SAFE_FD);
    if (moved < 0)
        return err_from_errno(errno);
    list->fds[list->count++] = moved;
    return ERR_OK;
}

/* A second, read-only opening of a spill's file. */
static enum err add_spill(struct descriptors *list, struct spill *spill)
{
    char path[40];
    if (!spill)
        return ERR_OK;
    int fd = spill_fd(spill);
    if (fd < 0)
        return ERR_IO;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int readable = open(path, O_RDONLY | O_CLOEXEC);
    if (readable < 0)
        return err_from_errno(errno);
    enum err code = add_fd(list, readable);
    close(readable);
    return code;
}

static enum err list_descriptors(struct descriptors *list, int trainer_end,
                                 struct feed *feed)
{
    enum err code = add_fd(list, trainer_end);
    if (!code)
        code = add_spill(list, feed->corpus);
    if (!code)
        code = add_spill(list, feed->valid);
    if (!code)
        code = add_spill(list, feed->resume);
    for (size_t i = 0; !code && i < feed->component_count; i++)
        code = add_spill(list, feed->components[i]);
    return code;
}

/* The daemon's environment with OpenBLAS kept to one thread. New array, borrowed texts.
 */
static char **environment(void)
{
    static char one_thread[] = "OPENBLAS_NUM_THREADS=1";
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **copy = memory_new_array(count + 2, sizeof *copy);
    if (!copy)
        return NULL;
    copy[kept++] = one_thread;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "OPENBLAS_NUM_THREADS=", 21) != 0)
            copy[kept++] = environ[i];
    return copy;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, defaults;
    sigemptyset(&none);
    sigfillset(&defaults);
    sigdelset(&defaults, SIGKILL);
    sigdelset(&defaults, SIGSTOP);
    int failed = posix_spawnattr_setsigmask(attributes, &none);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(attributes, &defaults);
    if (!failed)
        failed = posix_spawnattr_setpgroup(attributes, 0);
    return failed ? failed
                  : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
                                                             POSIX_SPAWN_SETSIGDEF |
                                                             POSIX_SPAWN_SETPGROUP);
}

static int set_actions(posix_spawn_file_actions_t *actions,
                       const struct descriptors *list)
{
    int failed =
        posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null",
                                                  O_WRONLY, 0);
    for (size_t i = 0; !failed && i < list->count; i++)
        failed = posix_spawn_file_actions_adddup2(actions, list->fds[i],
                                                  TRAINER_SOCKET + (int)i);
    if (!failed)
        failed = posix_spawn_file_actions_addclosefrom_np(actions, TRAINER_SOCKET +
                                                                       (int)list->count);
    return failed;
}

static int spawn(const char *program, const struct descriptors *list, pid_t *pid)
{
    static char name[] = "firthd", option[] = "--trainer";
    char *arguments[] = {name, option, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char **variables = environment();
    if (!variables)
        return ENOMEM;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int failed = set_actions(&actions, list);
    if (!failed)
        failed = set_attributes(&attributes);
    if (!failed)
        failed = posix_spawn(pid, program ? program : "/proc/self/exe", &actions,
                             &attributes, arguments, variables);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(variables);
    return failed;
}

enum err spawn_trainer(const char *program, struct feed *feed, pid_t *pid, int *socket_fd,
                       struct err_info *info)
{
    struct descriptors list = {.count = 0};
    int ends[2];
    *pid = -1;
    *socket_fd = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return err_set(info, err_from_errno(errno), "no socket pair: %s",
                       strerror(errno));
    enum err code = list_descriptors(&list, ends[1], feed);
    close(ends[1]);
    int failed = code ? 0 : spawn(program, &list, pid);
    close_all(&list);
    if (failed)
        code = err_set(info, failed == ENOMEM ? ERR_NO_MEMORY : ERR_IO,
                       "the trainer could not be started: %s", strerror(failed));
    else if (code)
        err_set(info, code, "the trainer's input could not be opened");
    if (!code && fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        code = ERR_IO;
    if (code) {
        close(ends[0]);
        return code;
    }
    *socket_fd = ends[0];
    return ERR_OK;
}

int spawn_reap(pid_t pid, double seconds)
{
    static const struct timespec pause = {.tv_nsec = 5000000};
    double deadline = clock_monotonic() + seconds;
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && clock_monotonic() < deadline)
        nanosleep(&pause, NULL);
    if (ended == 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    return status;
}

unsigned long long spawn_memory_kills(void)
{
    char line[128];
    unsigned long long count = 0;
    FILE *file = fopen("/proc/vmstat", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "oom_kill %llu", &count) == 1)
            break;
    if (file)
        fclose(file);
    return count;
}
