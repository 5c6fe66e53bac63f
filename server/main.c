/* SPDX-License-Identifier: MIT */
/* The program firthd: the daemon (`serve`), the trainer it starts (`--trainer`), and the
 * command line (everything else, in api/cli.c).
 *
 * The main thread starts the daemon, says where it listens, and waits for a signal. The
 * first SIGTERM, SIGINT or SIGHUP drains: no new work, running answers finish, jobs leave
 * a checkpoint, exit 0. From then on the signals have their default effect, so a second
 * one ends the process at once; and so does the clock when draining takes too long.
 * Whatever was acknowledged is durable by then, so ending early loses nothing.
 *
 * OpenBLAS makes its threads and picks its kernels when it is loaded, before main. Firth
 * has threads of its own and wants one there, and a processor newer than the library must
 * not be taken for one of 2004 (model/nn/blas.h), so the program starts itself anew with
 * the variables that say so when they are not set. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "api/api.h"
#include "api/cli.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/nn/blas.h"
#include "server/server.h"
#include "server/spawn.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { CONFIG_MAX = 1 << 20, PATH_MAX_BYTES = 4096, OPTION_MAX = 64 };
static const double API_MARGIN = 1;

static int complain(int status, const struct err_info *info)
{
    fprintf(stderr, "firthd: %s\n", info->message);
    return status;
}

/* ---- settings ---- */

static enum err read_file(const char *path, char **text, struct err_info *info)
{
    struct buffer content;
    size_t size;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *text = NULL;
    if (fd < 0)
        return err_set(info, ERR_IO, "the configuration file %s cannot be read: %s", path,
                       strerror(errno));
    buffer_init(&content, CONFIG_MAX);
    ssize_t got = 1;
    while (got > 0 && buffer_reserve(&content, 4096)) {
        got = read(fd, content.bytes + content.size, 4096);
        if (got > 0)
            buffer_wrote(&content, (size_t)got);
    }
    close(fd);
    if (got == 0)
        *text = buffer_release(&content, &size);
    buffer_fini(&content);
    return *text
               ? ERR_OK
               : err_set(info, ERR_IO, "the configuration file %s cannot be read", path);
}

static enum err apply_file(struct settings *settings, const char *path,
                           struct err_info *info)
{
    struct err_info local = {0};
    char *text;
    enum err code = read_file(path, &text, info);
    if (code)
        return code;
    code = settings_read(settings, text, &local);
    free(text);
    return code ? err_set(info, code, "%s, %s", path, local.message) : ERR_OK;
}

/* One "--name value" or "--name=value" at argv[*at]; moves *at to its last word. */
static enum err read_option(int argc, char **argv, int *at, char name[OPTION_MAX],
                            const char **value, struct err_info *info)
{
    const char *word = argv[*at], *equals = strchr(word, '=');
    size_t size = equals ? (size_t)(equals - word) : strlen(word);
    if (strncmp(word, "--", 2) != 0 || size < 3 || size - 2 >= OPTION_MAX)
        return err_set(info, ERR_INVALID,
                       "\"%.60s\" is no option; firthd serve --help lists them", word);
    memcpy(name, word + 2, size - 2);
    name[size - 2] = '\0';
    if (!equals && *at + 1 >= argc)
        return err_set(info, ERR_INVALID, "--%s needs a value", name);
    *value = equals ? equals + 1 : argv[++*at];
    return ERR_OK;
}

/* The options, for the file's name alone or for everything else. */
static enum err apply_options(struct settings *settings, int argc, char **argv,
                              bool files, struct err_info *info)
{
    enum err code = ERR_OK;
    for (int i = 2; !code && i < argc; i++) {
        char name[OPTION_MAX];
        const char *value = NULL;
        code = read_option(argc, argv, &i, name, &value, info);
        if (code)
            break;
        bool is_file = strcmp(name, "config") == 0;
        if (is_file && files)
            code = apply_file(settings, value, info);
        else if (!is_file && !files)
            code = settings_set(settings, name, value, info);
    }
    return code;
}

/* Later sources win: the file, then the environment, then the options. */
static enum err read_settings(struct settings *settings, int argc, char **argv,
                              struct err_info *info)
{
    settings_init(settings);
    enum err code = apply_options(settings, argc, argv, true, info);
    if (!code)
        code = settings_from_environment(settings, info);
    return code ? code : apply_options(settings, argc, argv, false, info);
}

/* ---- the daemon ---- */

static void tell_service_manager(const char *state)
{
#ifdef HAVE_SYSTEMD
    sd_notify(0, state);
#else
    (void)state;
#endif
}

/* As many descriptors as the system allows: each connection needs one. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        LOG_EVENT(LOG_WARNING, "descriptor_limit", LOG_T("error", strerror(errno)));
}

static void end_now(int number)
{
    (void)number;
    _exit(EXIT_DONE);
}

/* The signals that end the daemon, blocked from here on. One that whoever started the
 * daemon has it ignore (nohup, a shell's background) stays ignored. */
static void block_signals(sigset_t *signals)
{
    static const int ending[] = {SIGTERM, SIGINT, SIGHUP};
    struct sigaction now;
    sigemptyset(signals);
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++)
        if (ending[i] == SIGTERM ||
            (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN))
            sigaddset(signals, ending[i]);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* From now on a second signal ends the process, and so does the deadline. */
static void arm_end(const sigset_t *signals, int64_t seconds)
{
    signal(SIGALRM, end_now);
    signal(SIGTERM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
    alarm((unsigned)seconds);
}

static void drain(struct server *server, struct api *api)
{
    double seconds = (double)server->settings.drain_seconds;
    double deadline = clock_monotonic() + seconds;
    tell_service_manager("STOPPING=1");
    server_drain(server, seconds);
    double left = deadline - clock_monotonic() - API_MARGIN;
    api_drain(api, left > 0 ? left : 0);
    api_stop(api);
    server_stop(server);
}

static int serve_until_signal(struct server *server, const sigset_t *signals)
{
    struct api *api = NULL;
    struct err_info info = {0};
    int number = 0;
    if (api_start(server, &api, &info)) {
        server_stop(server);
        return complain(EXIT_FAILED, &info);
    }
    printf("firthd listening on http://%s\n", api_address(api));
    fflush(stdout);
    tell_service_manager("READY=1");
    LOG_EVENT(LOG_INFO, "ready", LOG_T("address", api_address(api)),
              LOG_T("store", server->settings.store), LOG_I("pid", getpid()));
    while (sigwait(signals, &number) != 0)
        continue;
    LOG_EVENT(LOG_INFO, "draining", LOG_I("signal", number));
    arm_end(signals, server->settings.drain_seconds);
    drain(server, api);
    LOG_EVENT(LOG_INFO, "stopped", LOG_I("pid", getpid()));
    return EXIT_DONE;
}

static int serve(int argc, char **argv)
{
    struct err_info info = {0};
    struct settings settings;
    struct server *server;
    sigset_t signals;
    if (read_settings(&settings, argc, argv, &info))
        return complain(EXIT_USAGE, &info);
    signal(SIGPIPE, SIG_IGN);
    block_signals(&signals);
    raise_descriptor_limit();
    umask(077);
    if (server_start(&settings, &server, &info))
        return complain(EXIT_FAILED, &info);
    return serve_until_signal(server, &signals);
}

/* ---- which of the three ---- */

static void start_anew_for_openblas(char **argv)
{
    char path[PATH_MAX_BYTES];
    const char *core = getenv("OPENBLAS_CORETYPE") ? NULL : blas_core_override();
    if (getenv("OPENBLAS_NUM_THREADS") && !core)
        return;
    if (setenv("OPENBLAS_NUM_THREADS", "1", 1) ||
        (core && setenv("OPENBLAS_CORETYPE", core, 1)))
        return;
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    if (size <= 0)
        return;
    path[size] = '\0';
    execv(path, argv); /* where this fails, this process carries on */
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--trainer") == 0)
        return trainer_main(TRAINER_SOCKET);
    start_anew_for_openblas(argv);
    if (argc < 2 || strcmp(argv[1], "serve") != 0 || asks_for_help(argc, argv))
        return cli_run(argc, argv);
    return serve(argc, argv);
}
