/* A server over the rig's scripts, on port 0 in the rig's loop, and a client that sends one request
 * a connection and reads until the server closes. */
#pragma once
#include "script/support.h"
#include "serve/events.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

struct web {
    struct rig *rig;
    struct tt_dispatcher dispatcher;
    struct tt_listener_handle handle;
    struct tt_http_server *server;
    struct tt_buf answer; /* of the last request, as it came */
    int status;
    const char *body; /* within answer */
};

static inline void web_open(struct web *web, struct rig *rig)
{
    struct tt_http_settings settings = {.address = "127.0.0.1:0"};
    struct tt_err err = {0};

    memset(web, 0, sizeof(*web));
    web->rig = rig;
    web->dispatcher.tide = &rig->tide;
    web->dispatcher.settings = &rig->serving;
    tt_events_create(&web->dispatcher);
    web->dispatcher.generation = tt_generation_ref(rig->generation);
    web->handle.dispatcher = &web->dispatcher;
    struct tt_http_handler handler = tt_dispatch_handler(&web->handle);
    web->server = tt_http_server_new(rig->loop, &settings, &handler, &err);
    if (!web->server)
        fail_msg("%s", err.message);
}

static inline void web_close(struct web *web)
{
    tt_task_cancel_all(&web->rig->tide.runtime);
    tt_http_server_free(web->server);
    tt_generation_unref(web->dispatcher.generation);
    tt_buf_free(&web->answer);
}

/* A test's state: a server over this app.lua, with a migrated database (one user, one session) or
 * none. */
static inline int web_setup(void **state, const char *app, bool database)
{
    struct web *web = TT_NEW(struct web);
    struct rig *rig = rig_new();

    if (database)
        rig_open_db(rig, NULL);
    rig_put(rig, "lua/app.lua", app);
    rig_load(rig);
    web_open(web, rig);
    *state = web;
    return 0;
}

static inline int web_teardown(void **state)
{
    struct web *web = *state;
    struct rig *rig = web->rig;

    web_close(web);
    assert_int_equal(atomic_load(&rig->generation->references), 1);
    rig_free(rig);
    free(web);
    return 0;
}

/* A request under way: a connection with what has come so far. */
static inline int web_connect(struct web *web, const char *request)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)tt_http_server_port(web->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    return fd;
}

/* Whether the server has closed. */
static inline bool web_read(struct web *web, int fd)
{
    for (;;) {
        char *room = tt_buf_reserve(&web->answer, 65536);
        ssize_t n = recv(fd, room, 65536, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0)
            return true;
        web->answer.len += (size_t)n;
        web->answer.data[web->answer.len] = 0;
    }
}

/* Takes the chunk framing off, in place. */
static inline void web_dechunk(char *body)
{
    char *to = body, *from = body;
    for (;;) {
        size_t size = strtoul(from, &from, 16);
        if (strncmp(from, "\r\n", 2) != 0)
            fail_msg("a broken chunk: %s", from);
        if (size == 0)
            break;
        memmove(to, from + 2, size);
        to += size;
        from += 2 + size + 2;
    }
    *to = 0;
}

/* Each JSON answer ends with a newline, which the tests then need not write. */
static inline void web_end_json(struct web *web)
{
    size_t len = strlen(web->body);

    if (len == 0 || !strstr(web->answer.data, "\r\nContent-Type: application/json"))
        return;
    if (web->body[len - 1] != '\n')
        fail_msg("no newline at the end: %s", web->body);
    web->answer.data[web->body - web->answer.data + (ptrdiff_t)len - 1] = 0;
}

static inline void web_parse(struct web *web)
{
    char *end = web->answer.len ? strstr(web->answer.data, "\r\n\r\n") : NULL;

    if (!end)
        fail_msg("no answer: %s", web->answer.data ? web->answer.data : "");
    web->status = atoi(web->answer.data + 9);
    end[2] = 0;
    web->body = end + 4;
    if (strcasestr(web->answer.data, "\r\nTransfer-Encoding: chunked\r\n"))
        web_dechunk(end + 4);
    web_end_json(web);
}

static inline int web_raw(struct web *web, const char *request)
{
    int fd = web_connect(web, request);

    tt_buf_clear(&web->answer);
    RIG_WAIT(web->rig, web_read(web, fd));
    close(fd);
    web_parse(web);
    return web->status;
}

/* `headers` are lines with their line ends; a body gets its length. */
static inline int web_ask(struct web *web, const char *method, const char *path,
                          const char *headers, const char *body)
{
    struct tt_buf request = {0};

    tt_buf_printf(&request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s", method, path,
                  headers);
    if (body)
        tt_buf_printf(&request, "Content-Length: %zu\r\n", strlen(body));
    tt_buf_printf(&request, "\r\n%s", body ? body : "");
    web_raw(web, request.data);
    tt_buf_free(&request);
    return web->status;
}

static inline int web_get(struct web *web, const char *path)
{
    return web_ask(web, "GET", path, "", NULL);
}

static inline bool web_has(const struct web *web, const char *header_line)
{
    char line[512];
    snprintf(line, sizeof(line), "\r\n%s\r\n", header_line);
    return strstr(web->answer.data, line) != NULL;
}

static inline int web_count(const struct web *web, const char *header_name)
{
    char line[128];
    int count = 0;
    snprintf(line, sizeof(line), "\r\n%s:", header_name);
    for (const char *p = web->answer.data; (p = strcasestr(p, line)); p += 2)
        count++;
    return count;
}

/* The body but for its request id. */
static inline void web_expect_error(struct web *web, int status, const char *code, const char *text)
{
    char want[512];
    snprintf(want, sizeof(want), "{\"error\":\"%s\",\"code\":\"%s\",\"request_id\":\"", text, code);
    if (web->status != status || strncmp(web->body, want, strlen(want)) != 0)
        fail_msg("got %d %s, want %d %s", web->status, web->body, status, want);
    assert_string_equal(web->body + strlen(want) + 16, "\"}");
    assert_true(web_has(web, "Content-Type: application/json; charset=utf-8"));
    assert_int_equal(web_count(web, "Content-Type"), 1);
    assert_int_equal(web_count(web, "X-Request-Id"), 1);
}

/* The whole answer to a GET. */
static inline void web_expect(struct web *web, const char *path, const char *want)
{
    web_get(web, path);
    assert_int_equal(web->status, 200);
    if (strcmp(web->body, want) != 0)
        fail_msg("%s\n--- got\n%s\n--- want\n%s", path, web->body, want);
}
