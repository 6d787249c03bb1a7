/*
 * mock_llm: an OpenAI-compatible upstream for tests and benchmarks. Command line, sockets, signals.
 * Behaviour is chosen by the request's path (scenario.h, README.md), never by the command line.
 */
#include "server.h"
#include "stats.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_THREADS 64

struct options {
    const char *listen;
    int threads;
    bool record;
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static const char usage[] =
    "usage: mock_llm [--listen ADDRESS:PORT] [--threads N] [--no-record]\n"
    "\n"
    "  --listen ADDRESS:PORT  127.0.0.1:0 by default; [::1]:PORT for IPv6; port 0 = any free one\n"
    "  --threads N            event loops, 1 by default\n"
    "  --no-record            keep no requests for /__requests (for benchmarks)\n"
    "\n"
    "Prints one line, 'listening ADDRESS:PORT', when it accepts connections. The path selects "
    "what\n"
    "it answers: http://ADDRESS:PORT/<key=value,...>/v1/chat/completions. The keys are in "
    "README.md.\n";

static int read_number(const char *text, long min, long max)
{
    char *end;
    long v = strtol(text, &end, 10);

    return *text && !*end && v >= min && v <= max ? (int)v : -1;
}

static int read_options(struct options *o, int argc, char **argv)
{
    *o = (struct options){"127.0.0.1:0", 1, true};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--help")) {
            fputs(usage, stdout);
            exit(0);
        }
        if (!strcmp(argv[i], "--no-record"))
            o->record = false;
        else if (!strcmp(argv[i], "--listen") && more)
            o->listen = argv[++i];
        else if (!strcmp(argv[i], "--threads") && more)
            o->threads = read_number(argv[++i], 1, MAX_THREADS);
        else
            return -1;
    }
    return o->threads > 0 ? 0 : -1;
}

static int read_address(const char *text, union address *a, socklen_t *len)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    int port = colon ? read_number(colon + 1, 0, 65535) : -1;
    size_t n = colon ? (size_t)(colon - text) : 0;

    if (port < 0 || !n || n >= sizeof host)
        return -1;
    memcpy(host, text, n);
    host[n] = 0;
    memset(a, 0, sizeof *a);
    if (host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = 0;
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons((uint16_t)port);
        *len = sizeof a->v6;
        return inet_pton(AF_INET6, host + 1, &a->v6.sin6_addr) == 1 ? 0 : -1;
    }
    a->v4.sin_family = AF_INET;
    a->v4.sin_port = htons((uint16_t)port);
    *len = sizeof a->v4;
    return inet_pton(AF_INET, host, &a->v4.sin_addr) == 1 ? 0 : -1;
}

/* Connections inherit TCP_NODELAY from the listener, which saves a call for each of them. */
static int open_listener(union address *a, socklen_t len, bool shared)
{
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(fd, &a->any, len) || listen(fd, 4096) || getsockname(fd, &a->any, &len)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void print_address(const union address *a)
{
    char host[INET6_ADDRSTRLEN];

    if (a->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof host);
        printf("listening [%s]:%d\n", host, ntohs(a->v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof host);
        printf("listening %s:%d\n", host, ntohs(a->v4.sin_port));
    }
    fflush(stdout);
}

static void raise_file_limit(void)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim))
        return;
    lim.rlim_cur = lim.rlim_max;
    setrlimit(RLIMIT_NOFILE, &lim);
}

static int block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void *thread_main(void *arg)
{
    worker_run(arg);
    return NULL;
}

/* The first worker runs here and hears the signal; the others are told through stop_fd. */
static void run_workers(struct worker **workers, int n, int stop_fd)
{
    pthread_t threads[MAX_THREADS];
    uint64_t one = 1;
    int started = 1;

    while (started < n && !pthread_create(&threads[started], NULL, thread_main, workers[started]))
        started++;
    worker_run(workers[0]);
    (void)!write(stop_fd, &one, sizeof one);
    for (int i = 1; i < started; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    struct options o;
    union address a;
    socklen_t len;
    struct worker *workers[MAX_THREADS];

    if (read_options(&o, argc, argv) || read_address(o.listen, &a, &len)) {
        fputs(usage, stderr);
        return 2;
    }
    raise_file_limit();
    int signal_fd = block_signals(), stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (int i = 0; i < o.threads; i++) {
        int fd = open_listener(&a, len, o.threads > 1);
        workers[i] = fd < 0 ? NULL : worker_new(fd, i ? stop_fd : signal_fd);
        if (!workers[i]) {
            fprintf(stderr, "mock_llm: cannot listen on %s: %m\n", o.listen);
            return 1;
        }
    }
    stats.record = o.record;
    print_address(&a);
    run_workers(workers, o.threads, stop_fd);
    for (int i = 0; i < o.threads; i++)
        worker_free(workers[i]);
    stats_reset();
    close(signal_fd);
    close(stop_fd);
    return 0;
}
