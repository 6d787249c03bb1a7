/* Whatever bytes come as a request: the server answers or closes, and goes on; and a request that
 * reached the handler has a head that every other parser reads in the same way. */
#include "base/log.h"
#include "fuzz.h"
#include "http/http.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TICKS 500

static struct tt_loop *loop;
static struct tt_http_server *server;
static char path[64];
static int requests;

static void reply(struct tt_http_exchange *exchange, int status)
{
    struct tt_buf body = {0};
    tt_buf_append_z(&body, "x");
    tt_http_reply(exchange, status, &body);
}

static void on_head(void *arg, struct tt_http_exchange *exchange, size_t *body_max)
{
    (void)arg, (void)exchange;
    *body_max = 1000;
}

static void on_request(void *arg, struct tt_http_exchange *exchange)
{
    (void)arg;
    requests++;
    reply(exchange, 200);
}

static void on_end(void *arg, struct tt_http_exchange *exchange)
{
    (void)arg, (void)exchange;
}

static void on_refuse(void *arg, struct tt_http_exchange *exchange, int status, const char *code)
{
    (void)arg, (void)code;
    reply(exchange, status);
}

static void stop(void)
{
    tt_http_server_free(server);
    tt_loop_free(loop);
    unlink(path);
}

static void begin(void)
{
    static const struct tt_http_handler handler = {on_head, on_request, on_end, on_refuse, NULL};
    static char address[80];
    struct tt_err err = {0};

    snprintf(path, sizeof(path), "/tmp/tt_fuzz_guard.%d", (int)getpid());
    snprintf(address, sizeof(address), "unix:%s", path);
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    loop = tt_loop_new(&err);
    server =
        tt_http_server_new(loop, &(struct tt_http_settings){.address = address}, &handler, &err);
    check(server != NULL);
    atexit(stop);
}

/* Sends the bytes and reads to the end; returns the first status, 0 for none. */
static int ask(struct tt_str bytes)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer[4096];
    int status = 0, ticks = 0;
    ssize_t n;

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    check(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    check(send(fd, bytes.data, bytes.len, MSG_NOSIGNAL) == (ssize_t)bytes.len || bytes.len == 0);
    shutdown(fd, SHUT_WR);
    while (ticks++ < TICKS && (n = recv(fd, answer, sizeof(answer) - 1, 0)) != 0) {
        if (n < 0) {
            tt_loop_tick(loop, 1);
            continue;
        }
        answer[n] = 0;
        if (status == 0)
            check(sscanf(answer, "HTTP/1.1 %3d ", &status) == 1);
    }
    close(fd);
    return status;
}

static bool has_name(struct tt_str line, const char *name)
{
    size_t len = strlen(name);
    return line.len > len && line.data[len] == ':' &&
           tt_str_eq_nocase(tt_str_of(line.data, len), tt_str_of(name, len));
}

/* RFC 9112, as strictly as it can be read. */
static void check_head(struct tt_str bytes)
{
    int hosts = 0, framings = 0;

    while (tt_str_starts(bytes, TT_STR("\r\n")))
        bytes = tt_str_of(bytes.data + 2, bytes.len - 2);
    for (;;) {
        const char *end = bytes.len > 0 ? memmem(bytes.data, bytes.len, "\r\n", 2) : NULL;
        check(end != NULL);
        struct tt_str line = tt_str_of(bytes.data, (size_t)(end - bytes.data));
        if (line.len == 0)
            break;
        check(!memchr(line.data, 0, line.len) && !memchr(line.data, '\n', line.len));
        check(line.data[0] != ' ' && line.data[0] != '\t');
        hosts += has_name(line, "host");
        framings += has_name(line, "content-length") + has_name(line, "transfer-encoding");
        bytes = tt_str_of(end + 2, bytes.len - line.len - 2);
    }
    check(hosts <= 1 && framings <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tt_str bytes = tt_str_of((const char *)data, size);

    if (!loop)
        begin();
    requests = 0;
    ask(bytes);
    if (requests > 0)
        check_head(bytes);
    check(ask(TT_STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n")) == 200);
    return 0;
}
