/* What the tests of the client share: a server with a path for each behaviour, and calls that note
 * what they were told. Included by one test program each, so its state is static. */
#pragma once
#include "upstream/client_internal.h"
#include "upstream/fake_upstream.h"

#include <sys/resource.h>

static struct tt_loop *loop;
static struct tt_client *client;
static struct tt_egress *egress;
static struct tt_aux *aux;
static struct tt_resolver *resolver;
static struct fake fake;

/* ---- what the server does ---- */

static bool serve_ok(struct fake_request *request)
{
    fake_answer(request->fd, 200, "application/json", TT_STR("{\"ok\":true}"));
    return true;
}

static bool serve_echo(struct fake_request *request)
{
    fake_answer(request->fd, 200, "text/plain", tt_buf_str(&request->body));
    return true;
}

static bool serve_limited_for_ever(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 429 Too Many\r\nRetry-After: 9223372036854775807\r\n"
                           "Content-Length: 0\r\n\r\n");
    return true;
}

static bool serve_limited(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 429 Too Many\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n");
    return true;
}

static bool serve_redirect(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
    return true;
}

static bool serve_ok_then_close(struct fake_request *request)
{
    serve_ok(request);
    return false;
}

static bool serve_hang_in_body(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst");
    return fake_hang(request);
}

static bool serve_drip(struct fake_request *request)
{
    fake_sse_head(request->fd);
    for (int i = 0; i < 100 && !atomic_load(&request->fake->stop); i++) {
        fake_chunk(request->fd, "drip");
        usleep(20000);
    }
    return false;
}

static bool serve_reset(struct fake_request *request)
{
    fake_reset(request->fd);
    return false;
}

static bool serve_reset_in_body(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst");
    usleep(50000);
    fake_reset(request->fd);
    return false;
}

static bool serve_short(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst");
    return false;
}

static bool serve_garbage(struct fake_request *request)
{
    fake_puts(request->fd, "SSH-2.0-OpenSSH_9.2\r\n\r\nnothing like HTTP\r\n");
    return false;
}

static bool serve_close(struct fake_request *request)
{
    (void)request;
    return false;
}

static bool serve_big(struct fake_request *request)
{
    char *big = calloc(1, 20 << 20);
    fake_answer(request->fd, 200, "application/octet-stream", tt_str_of(big, 20 << 20));
    free(big);
    return true;
}

static bool serve_slow(struct fake_request *request)
{
    usleep(100000);
    return serve_ok(request);
}

static const struct fake_route routes[] = {
    {"/ok-close", serve_ok_then_close},
    {"/ok", serve_ok},
    {"/echo", serve_echo},
    {"/limited-for-ever", serve_limited_for_ever},
    {"/limited", serve_limited},
    {"/redirect", serve_redirect},
    {"/hang-body", serve_hang_in_body},
    {"/hang", fake_hang},
    {"/drip", serve_drip},
    {"/reset-body", serve_reset_in_body},
    {"/reset", serve_reset},
    {"/short", serve_short},
    {"/garbage", serve_garbage},
    {"/close", serve_close},
    {"/big", serve_big},
    {"/slow", serve_slow},
    {NULL, NULL},
};

/* ---- a call and what it was told ---- */

enum cancel_at { NEVER, AT_HEAD, AT_DATA, AT_DONE };

struct told {
    struct tt_call *call;
    int heads, done, status;
    char type[64];
    int64_t retry_after;
    struct tt_buf body;
    struct tt_err error;
    bool sent, refuse_data;
    enum cancel_at cancel_at;
    struct told *cancel_other;
};

static void on_head(void *arg, int status, struct tt_str type, int64_t retry_after_s)
{
    struct told *told = arg;
    assert_int_equal(told->done, 0);
    told->heads++;
    told->status = status;
    told->retry_after = retry_after_s;
    snprintf(told->type, sizeof(told->type), "%.*s", TT_STR_ARG(type));
    if (told->cancel_at == AT_HEAD)
        tt_call_cancel(told->call);
}

static int on_data(void *arg, struct tt_str bytes)
{
    struct told *told = arg;
    assert_int_equal(told->heads, 1);
    assert_int_equal(told->done, 0);
    assert_true(bytes.len > 0);
    tt_buf_append_str(&told->body, bytes);
    if (told->cancel_at == AT_DATA)
        tt_call_cancel(told->call);
    if (told->cancel_other) {
        tt_call_cancel(told->cancel_other->call);
        told->cancel_other = NULL;
    }
    return told->refuse_data ? -1 : 0;
}

static void on_done(void *arg, const struct tt_err *error, bool sent)
{
    struct told *told = arg;
    assert_int_equal(told->done, 0);
    told->done = 1;
    told->sent = sent;
    if (error)
        told->error = *error;
    if (told->cancel_at == AT_DONE)
        tt_call_cancel(told->call);
}

static inline int set_up(void **state)
{
    struct tt_str allow[] = {TT_STR("127.0.0.1"), TT_STR("localhost")};
    (void)state;
    loop = tt_loop_new(NULL);
    aux = tt_aux_new("dns", 1, 16, NULL);
    resolver = tt_resolver_new(aux);
    egress = tt_egress_new(allow, 2, NULL);
    const struct tt_client_settings settings = {.egress = egress, .resolver = resolver};
    client = tt_client_new(loop, &settings, NULL);
    fake_start(&fake, routes);
    return client ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    tt_client_free(client);
    fake_stop(&fake);
    tt_resolver_free(resolver);
    tt_aux_free(aux);
    tt_egress_free(egress);
    tt_loop_free(loop);
    return 0;
}

static inline void begin_url(struct told *told, const char *method, const char *url,
                             struct tt_str body, struct tt_deadlines deadlines)
{
    struct tt_call_handler handler = {on_head, on_data, on_done, told};
    struct tt_str headers[] = {TT_STR("Content-Type: application/json"),
                               TT_STR("Authorization: Bearer k")};
    struct tt_call_request request = {.method = method,
                                      .url = url,
                                      .headers = headers,
                                      .header_count = 2,
                                      .deadlines = deadlines};
    struct tt_err err = {0};
    struct tt_buf text = {0};
    tt_buf_append_str(&text, body);
    request.body = tt_call_body_new(&text);
    told->call = tt_call_start(client, &request, &handler, &err);
    if (!told->call)
        fail_msg("%s: %s", err.code, err.message);
    assert_int_equal(told->heads + told->done, 0);
    tt_call_body_unref(request.body);
}

static inline void begin(struct told *told, const char *path, struct tt_str body,
                         struct tt_deadlines deadlines)
{
    char url[256];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", fake.port, path);
    begin_url(told, body.len > 0 ? "POST" : "GET", url, body, deadlines);
}

static inline void wait_for(const int *what, int value)
{
    uint64_t limit = tt_clock_mono_ms() + 20000;
    while (*what != value && tt_clock_mono_ms() < limit)
        tt_loop_tick(loop, 50);
    assert_int_equal(*what, value);
}

static inline void fetch(struct told *told, const char *path, struct tt_str body)
{
    begin(told, path, body, (struct tt_deadlines){0});
    wait_for(&told->done, 1);
}

static inline void expect_error(const char *path, struct tt_str body, struct tt_deadlines deadlines,
                                int status, const char *code, bool sent)
{
    struct told told = {0};
    begin(&told, path, body, deadlines);
    wait_for(&told.done, 1);
    assert_string_equal(told.error.code, code);
    assert_int_equal(told.error.status, status);
    assert_int_equal(told.sent, sent);
    assert_null(strstr(told.error.message, "nothing like HTTP"));
    tt_buf_free(&told.body);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
