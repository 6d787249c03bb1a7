/* Reads many event streams at once, checks every byte of them, measures, and prints one JSON
 * object.
 *
 * usage: stream_client --address HOST:PORT --path PATH --tokens N [options]
 *
 *   --openai        ask as OpenAI's clients do (the mock, or nginx in front of it); otherwise ask
 * us
 *   --users FILE    bearer tokens, one a line
 *   --header LINE   one more header, "Name: value"; may be given several times
 *   --session TEXT  what the names of our sessions begin with; each stream has its own
 *   --view          only read the first stream of each of these sessions, which somebody else began
 *   --model NAME
 *   --streams N     connections (64)
 *   --seconds S     each begins streams until then; without it: one stream each
 *   --spread MS     the connections open one after the other over this time
 *   --stamp         the words carry stamps (the mock's stamp=1): measure their way
 *   --pid P         of the server, for CPU and memory; may be given several times
 *
 * With one stream each, CPU, tokens and latency are measured while all streams run: from the last
 * one's first word to the first one's end. rss_idle_kib is from before the first connection,
 * rss_begin_kib_per_stream from the moment when all run, rss_kib_per_stream from their end. */
#include "stream_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define EVENTS_MAX 512

struct options {
    unsigned streams;
    double seconds;
    uint64_t spread_ns;
};

/* While all streams run. */
struct window {
    bool began, ended;
    uint64_t ns, cpu_us, tokens, rss_kib;
    unsigned finished;
};

static void parse_address(struct bench *bench, const char *text)
{
    const char *colon = strrchr(text, ':');
    char host[64];

    snprintf(host, sizeof host, "%.*s", colon ? (int)(colon - text) : 0, text);
    bench->host = text;
    bench->address.sin_family = AF_INET;
    if (!colon || inet_pton(AF_INET, host, &bench->address.sin_addr) != 1)
        die("%s is not an address", text);
    bench->address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
}

static void read_users(struct bench *bench, const char *path)
{
    FILE *f = fopen(path, "re");
    char line[1024];

    if (!f)
        die("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, " \n")] = 0;
        bench->users = grow(bench->users, (bench->user_count + 1) * sizeof *bench->users);
        bench->users[bench->user_count++] = strdup(line);
    }
    fclose(f);
}

static void add_header(struct bench *bench, const char *line)
{
    char *headers = NULL;

    if (asprintf(&headers, "%s%s\r\n", bench->headers ? bench->headers : "", line) < 0)
        die("no memory");
    free(bench->headers);
    bench->headers = headers;
}

static void add_pid(struct bench *bench, const char *text)
{
    if (bench->pid_count == PIDS_MAX)
        die("too many processes");
    bench->pids[bench->pid_count++] = (int)strtol(text, NULL, 10);
}

static void take_option(struct bench *bench, struct options *options, int option)
{
    switch (option) {
    case 'a':
        parse_address(bench, optarg);
        break;
    case 'p':
        bench->path = optarg;
        break;
    case 't':
        bench->want.tokens = (unsigned)strtoul(optarg, NULL, 10);
        break;
    case 'o':
        bench->want.openai = true;
        break;
    case 'v':
        bench->view = true;
        break;
    case 'u':
        read_users(bench, optarg);
        break;
    case 'h':
        add_header(bench, optarg);
        break;
    case 's':
        bench->session = optarg;
        break;
    case 'm':
        bench->model = optarg;
        break;
    case 'n':
        options->streams = (unsigned)strtoul(optarg, NULL, 10);
        break;
    case 'T':
        options->seconds = strtod(optarg, NULL);
        break;
    case 'S':
        options->spread_ns = (uint64_t)(strtod(optarg, NULL) * 1e6);
        break;
    case 'x':
        bench->want.stamp = true;
        break;
    case 'P':
        add_pid(bench, optarg);
        break;
    default:
        die("see the head of stream_client.c");
    }
}

static void parse_options(struct bench *bench, struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"address", 1, NULL, 'a'}, {"path", 1, NULL, 'p'},    {"tokens", 1, NULL, 't'},
        {"openai", 0, NULL, 'o'},  {"users", 1, NULL, 'u'},   {"session", 1, NULL, 's'},
        {"model", 1, NULL, 'm'},   {"streams", 1, NULL, 'n'}, {"seconds", 1, NULL, 'T'},
        {"spread", 1, NULL, 'S'},  {"stamp", 0, NULL, 'x'},   {"pid", 1, NULL, 'P'},
        {"header", 1, NULL, 'h'},  {"view", 0, NULL, 'v'},    {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        take_option(bench, options, option);
    if (optind < argc || !bench->host || !bench->path || !bench->want.tokens)
        die("--address, --path and --tokens are needed");
}

static void need_files(unsigned count)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < count + 16)
        die("%u streams need more open files than the hard limit of %llu", count,
            (unsigned long long)limit.rlim_max);
}

static void read_counters(const struct bench *bench, struct window *window)
{
    window->ns = now_ns();
    window->cpu_us = cpu_us(bench->pids, bench->pid_count);
    window->tokens = bench->tokens;
    window->finished = bench->finished;
    window->rss_kib = rss_kib(bench->pids, bench->pid_count);
}

/* Notes where the window begins and ends. */
static void look(struct bench *bench, unsigned streams, struct window *from, struct window *to)
{
    bool repeat = bench->deadline_ns != 0;

    if (!from->began && (repeat || bench->begun + bench->failed >= streams)) {
        from->began = true;
        bench->measuring = true;
        read_counters(bench, from);
    }
    bool over = repeat ? now_ns() >= bench->deadline_ns : bench->finished > from->finished;
    if (from->began && !to->ended && (over || bench->open == 0)) {
        to->ended = true;
        bench->measuring = false;
        read_counters(bench, to);
    }
}

static void run(struct bench *bench, struct conn *conns, const struct options *options,
                struct window *from, struct window *to)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t begin = now_ns();
    unsigned asked = 0;

    while (bench->open > 0) {
        while (asked < options->streams &&
               now_ns() - begin >= options->spread_ns / options->streams * asked)
            conn_ask(&conns[asked++]);
        look(bench, options->streams, from, to);
        int n = epoll_wait(bench->epoll, events, EVENTS_MAX, asked < options->streams ? 1 : 100);
        for (int i = 0; i < n; i++)
            conn_ready(events[i].data.ptr, events[i].events);
    }
    look(bench, options->streams, from, to);
}

static void report(struct bench *bench, unsigned streams, uint64_t rss_idle,
                   const struct window *from, const struct window *to)
{
    double seconds = (double)(to->ns - from->ns) / 1e9;
    uint64_t tokens = to->tokens - from->tokens, cpu = to->cpu_us - from->cpu_us;

    if (seconds <= 0)
        seconds = 1e-9;
    printf("{\"streams\":%u,\"finished\":%u,\"failed\":%u,\"tokens\":%llu,\"bytes\":%llu,", streams,
           bench->finished, bench->failed, (unsigned long long)bench->tokens,
           (unsigned long long)bench->bytes);
    printf("\"seconds\":%.3f,\"tokens_per_s\":%.0f,\"streams_per_s\":%.0f,", seconds,
           (double)tokens / seconds, (to->finished - from->finished) / seconds);
    printf("\"cpu_us\":%llu,\"cpu_us_per_token\":%.2f,\"cpu_us_per_stream\":%.1f,",
           (unsigned long long)cpu, tokens ? (double)cpu / (double)tokens : 0,
           to->finished > from->finished ? (double)cpu / (to->finished - from->finished) : 0);
    printf("\"rss_idle_kib\":%llu,\"rss_kib\":%llu,", (unsigned long long)rss_idle,
           (unsigned long long)to->rss_kib);
    printf("\"rss_begin_kib_per_stream\":%.1f,\"rss_kib_per_stream\":%.1f,",
           ((double)from->rss_kib - (double)rss_idle) / streams,
           ((double)to->rss_kib - (double)rss_idle) / streams);
    printf("\"latency_p50_us\":%.1f,\"latency_p99_us\":%.1f,\"latency_max_us\":%.1f,",
           samples_percentile_us(&bench->latency, 0.5),
           samples_percentile_us(&bench->latency, 0.99), samples_percentile_us(&bench->latency, 1));
    printf("\"gap_p50_us\":%.1f,\"gap_p99_us\":%.1f,\"gap_max_us\":%.1f,",
           samples_percentile_us(&bench->gap, 0.5), samples_percentile_us(&bench->gap, 0.99),
           samples_percentile_us(&bench->gap, 1));
    printf("\"first_p50_us\":%.1f,\"first_p99_us\":%.1f,\"whole_p50_us\":%.1f,"
           "\"whole_p99_us\":%.1f}\n",
           samples_percentile_us(&bench->first, 0.5), samples_percentile_us(&bench->first, 0.99),
           samples_percentile_us(&bench->whole, 0.5), samples_percentile_us(&bench->whole, 0.99));
}

int main(int argc, char **argv)
{
    struct bench bench = {.model = "bench", .session = "bench"};
    struct options options = {.streams = 64};
    struct window from = {0}, to = {0};

    parse_options(&bench, &options, argc, argv);
    need_files(options.streams);
    bench.epoll = epoll_create1(EPOLL_CLOEXEC);
    bench.open = options.streams;
    uint64_t rss_idle = rss_kib(bench.pids, bench.pid_count);
    struct conn *conns = grow(NULL, options.streams * sizeof *conns);
    for (unsigned i = 0; i < options.streams; i++)
        conn_init(&conns[i], &bench, i);
    if (options.seconds > 0)
        bench.deadline_ns = now_ns() + (uint64_t)(options.seconds * 1e9);
    run(&bench, conns, &options, &from, &to);
    report(&bench, options.streams, rss_idle, &from, &to);
    for (unsigned i = 0; i < options.streams; i++)
        conn_free(&conns[i]);
    free(conns);
    free(bench.headers);
    close(bench.epoll);
    return bench.failed ? 1 : 0;
}
