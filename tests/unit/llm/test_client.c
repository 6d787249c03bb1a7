/* Outbound calls against a server in the test: what is sent, what is told, every way to fail, the
 * deadlines, cancelling at every point, and how connections are reused. */
#include "llm/fake_upstream.h"
#include "llm/client_internal.h"

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

static bool serve_hang(struct fake_request *request)
{
    return fake_hang(request);
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
    {"/limited", serve_limited},
    {"/redirect", serve_redirect},
    {"/hang-body", serve_hang_in_body},
    {"/hang", serve_hang},
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

static int set_up(void **state)
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

static int tear_down(void **state)
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

static void begin_url(struct told *told, const char *method, const char *url, struct tt_str body,
                      struct tt_deadlines deadlines)
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
    tt_buf_append_str(&request.body, body);
    told->call = tt_call_start(client, &request, &handler, &err);
    if (!told->call)
        fail_msg("%s: %s", err.code, err.message);
    assert_int_equal(told->heads + told->done, 0);
    assert_null(request.body.data);
}

static void begin(struct told *told, const char *path, struct tt_str body,
                  struct tt_deadlines deadlines)
{
    char url[256];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", fake.port, path);
    begin_url(told, body.len > 0 ? "POST" : "GET", url, body, deadlines);
}

static void wait_for(const int *what, int value)
{
    uint64_t limit = tt_clock_mono_ms() + 20000;
    while (*what != value && tt_clock_mono_ms() < limit)
        tt_loop_turn(loop, 50);
    assert_int_equal(*what, value);
}

static void fetch(struct told *told, const char *path, struct tt_str body)
{
    begin(told, path, body, (struct tt_deadlines){0});
    wait_for(&told->done, 1);
}

static void expect_error(const char *path, struct tt_str body, struct tt_deadlines deadlines,
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

/* ---- tests ---- */

static void a_plain_call(void **state)
{
    struct told told = {0};
    (void)state;
    fetch(&told, "/ok?x=1&y=%2F", TT_STR("{\"a\":1}"));
    assert_int_equal(told.error.status, 0);
    assert_int_equal(told.status, 200);
    assert_string_equal(told.type, "application/json");
    assert_int_equal(told.retry_after, -1);
    assert_true(tt_str_eq(tt_buf_str(&told.body), TT_STR("{\"ok\":true}")));
    assert_true(told.sent);
    assert_true(fake_head_has(&fake, "POST /ok?x=1&y=%2F HTTP/1.1\r\n"));
    assert_true(fake_head_has(&fake, "\r\nContent-Length: 7\r\n"));
    assert_true(fake_head_has(&fake, "\r\nAuthorization: Bearer k\r\n"));
    assert_true(fake_head_has(&fake, "\r\nContent-Type: application/json\r\n"));
    assert_false(fake_head_has(&fake, "Expect:"));
    assert_false(fake_head_has(&fake, "Accept-Encoding"));
    tt_buf_free(&told.body);
}

static void methods(void **state)
{
    static const char *const all[] = {"GET", "PUT", "GET", "DELETE", "PATCH", "POST", "GET"};
    char url[128], line[64];
    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/ok", fake.port);
    for (size_t i = 0; i < TT_COUNT(all); i++) { /* one pooled handle is all of them in turn */
        struct told told = {0};
        begin_url(&told, all[i], url, all[i][0] == 'P' ? TT_STR("body") : TT_STR(""),
                  (struct tt_deadlines){0});
        wait_for(&told.done, 1);
        assert_int_equal(told.error.status, 0);
        snprintf(line, sizeof(line), "%s /ok HTTP/1.1\r\n", all[i]);
        assert_true(fake_head_has(&fake, line));
        assert_int_equal(fake.last_body.len, all[i][0] == 'P' ? 4 : 0);
        tt_buf_free(&told.body);
    }
    assert_int_equal(fake.connections, 1);
}

static void connections_are_reused(void **state)
{
    struct tt_client_stats stats;
    char path[32];
    (void)state;
    for (int i = 0; i < 30; i++) {
        struct told told = {0};
        snprintf(path, sizeof(path), "/echo/%d", i); /* other URLs of the same host */
        fetch(&told, path, tt_str_from(path));
        assert_true(tt_str_eq(tt_buf_str(&told.body), tt_str_from(path)));
        assert_true(fake_head_has(&fake, path));
        tt_buf_free(&told.body);
    }
    assert_int_equal(fake.connections, 1);
    tt_client_stats(client, &stats);
    assert_int_equal(stats.started, 30);
    assert_int_equal(stats.reused, 29);
    assert_int_equal(stats.failed, 0);
    assert_int_equal(stats.calls, 0);
    assert_int_equal(stats.connections, 1);
}

/* The server closed the idle connection: curl repeats silently on a new one. */
static void dead_connections_are_replaced(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct told told = {0};
        fetch(&told, "/ok-close", TT_STR("body"));
        assert_int_equal(told.error.status, 0);
        tt_buf_free(&told.body);
    }
}

static void many_at_once(void **state)
{
    static struct told all[200];
    struct tt_client_stats stats;
    (void)state;
    for (int round = 0; round < 2; round++) {
        int done = 0;
        memset(all, 0, sizeof(all));
        for (size_t i = 0; i < TT_COUNT(all); i++)
            begin(&all[i], "/slow", TT_STR("body"), (struct tt_deadlines){.total = 15000});
        for (int i = 0; i < 1000 && done < (int)TT_COUNT(all); i++) {
            tt_loop_turn(loop, 50);
            done = 0;
            for (size_t k = 0; k < TT_COUNT(all); k++)
                done += all[k].done;
        }
        for (size_t i = 0; i < TT_COUNT(all); i++) {
            assert_int_equal(all[i].done, 1);
            if (all[i].error.status)
                fail_msg("%s", all[i].error.message);
            tt_buf_free(&all[i].body);
        }
    }
    tt_client_stats(client, &stats);
    assert_int_equal(fake.connections, TT_COUNT(all)); /* the second round found them all */
    assert_int_equal(stats.reused, TT_COUNT(all));
    /* the sweep closes what nobody has used for a minute */
    for (unsigned i = 0; i < client->shard_count; i++)
        client->shards[i].idle_ms = 0;
    tt_timer_stop(&client->sweep);
    if (tt_loop_now(loop) > 60000) {
        client->sweep.on_due(&client->sweep);
        tt_client_stats(client, &stats);
        assert_int_equal(stats.connections, 0);
    }
    struct told told = {0};
    fetch(&told, "/ok", TT_STR(""));
    assert_int_equal(told.error.status, 0);
    tt_buf_free(&told.body);
}

static void heads_without_a_body(void **state)
{
    struct told told = {0}, other = {0};
    (void)state;
    fetch(&told, "/limited", TT_STR("x"));
    assert_int_equal(told.error.status, 0);
    assert_int_equal(told.heads, 1);
    assert_int_equal(told.status, 429);
    assert_int_equal(told.retry_after, 17);
    assert_string_equal(told.type, "");
    fetch(&other, "/redirect", TT_STR(""));
    assert_int_equal(other.status, 302); /* not followed */
    assert_int_equal(fake.requests, 2);
}

static void big_bodies(void **state)
{
    struct told up = {0}, down = {0};
    char *big = malloc(5 << 20);
    (void)state;
    memset(big, 'x', 5 << 20);
    begin(&up, "/echo", tt_str_of(big, 5 << 20), (struct tt_deadlines){.first_byte = 10000});
    begin(&down, "/big", TT_STR(""), (struct tt_deadlines){.between = 5000});
    wait_for(&up.done, 1);
    wait_for(&down.done, 1);
    assert_int_equal(up.error.status, 0);
    assert_int_equal(up.body.len, 5 << 20);
    assert_memory_equal(up.body.data, big, 5 << 20);
    assert_int_equal(down.body.len, 20 << 20);
    tt_buf_free(&up.body);
    tt_buf_free(&down.body);
    free(big);
}

static void failures(void **state)
{
    const struct tt_deadlines none = {0};
    (void)state;
    expect_error("/reset-body", TT_STR("x"), none, 502, "upstream_reset", true);
    expect_error("/reset", TT_STR("x"), none, 502, "upstream_reset", true);
    expect_error("/reset", TT_STR(""), none, 502, "upstream_reset", true);
    expect_error("/close", TT_STR("x"), none, 502, "upstream_reset", true);
    expect_error("/short", TT_STR("x"), none, 502, "upstream_reset", true);
    expect_error("/garbage", TT_STR("x"), none, 502, "upstream_bad_response", true);
}

static void refused_connections(void **state)
{
    struct told told = {0};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    char url[64];
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening */
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
    begin_url(&told, "POST", url, TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.done, 1);
    assert_string_equal(told.error.code, "upstream_refused");
    assert_int_equal(told.error.status, 502);
    assert_false(told.sent);
    close(fd);
}

static void deadlines(void **state)
{
    (void)state;
    uint64_t begun = tt_clock_mono_ms();
    expect_error("/hang", TT_STR("x"), (struct tt_deadlines){.connect = 5000, .first_byte = 100}, 504,
                 "upstream_timeout", true);
    expect_error("/hang-body", TT_STR("x"),
                 (struct tt_deadlines){.first_byte = 5000, .between = 100}, 504,
                 "upstream_stalled", true);
    expect_error("/hang", TT_STR("x"), (struct tt_deadlines){.connect = 50, .total = 100}, 504,
                 "upstream_timeout", true);
    expect_error("/drip", TT_STR("x"), (struct tt_deadlines){.between = 2000, .total = 150}, 504,
                 "upstream_timeout", true);
    uint64_t took = tt_clock_mono_ms() - begun;
    assert_true(took >= 450 && took < 3000);
}

static void deadlines_that_are_kept(void **state)
{
    struct told told = {0};
    (void)state;
    begin(&told, "/drip", TT_STR("x"),
          (struct tt_deadlines){.connect = 300, .first_byte = 300, .between = 300});
    uint64_t until = tt_clock_mono_ms() + 900;
    while (tt_clock_mono_ms() < until)
        tt_loop_turn(loop, 20);
    assert_int_equal(told.done, 0);
    assert_true(told.body.len > 40);
    tt_call_limit(told.call, 50);
    wait_for(&told.done, 1);
    assert_string_equal(told.error.code, "upstream_timeout");
    tt_buf_free(&told.body);
}

/* TLS counts as connecting, and a server that talks something else is told apart. */
static void tls_failures(void **state)
{
    struct told silent = {0}, plain = {0};
    char url[64];
    struct fake_route mute[] = {{NULL, NULL}};
    struct fake other;
    (void)state;
    fake_start(&other, mute);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", other.port);
    int fd = other.fd;
    begin_url(&silent, "GET", url, TT_STR(""), (struct tt_deadlines){.connect = 200});
    wait_for(&silent.done, 1);
    assert_string_equal(silent.error.code, "upstream_connect_timeout");
    assert_int_equal(silent.error.status, 504);
    assert_false(silent.sent);
    (void)fd;
    fake_stop(&other);

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", ntohs(address.sin_port));
    begin_url(&plain, "GET", url, TT_STR(""), (struct tt_deadlines){.connect = 5000});
    for (int i = 0; i < 5; i++)
        tt_loop_turn(loop, 20);
    fd = accept(listener, NULL, NULL);
    fake_puts(fd, "HTTP/1.1 400 Bad Request\r\n\r\nplain");
    wait_for(&plain.done, 1);
    assert_string_equal(plain.error.code, "upstream_tls_failed");
    close(fd);
    close(listener);
}

static void closed_within(int closed, uint64_t ms)
{
    uint64_t begun = tt_clock_mono_ms();
    while (atomic_load(&fake.client_closed) < closed && tt_clock_mono_ms() < begun + 5000)
        usleep(1000);
    assert_int_equal(atomic_load(&fake.client_closed), closed);
    assert_true(atomic_load(&fake.client_closed_ms) - begun < ms);
}

static void cancelling(void **state)
{
    struct told told = {0};
    (void)state;
    begin(&told, "/hang", TT_STR("x"), (struct tt_deadlines){.total = 60000});
    tt_call_cancel(told.call); /* before it was begun */
    tt_loop_turn(loop, 0);
    assert_int_equal(fake.connections, 0);

    begin(&told, "/hang", TT_STR("x"), (struct tt_deadlines){.total = 60000});
    while (atomic_load(&fake.requests) < 1)
        tt_loop_turn(loop, 10);
    tt_call_cancel(told.call); /* while it waits */
    closed_within(1, 50);

    begin(&told, "/hang-body", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.heads, 1);
    tt_call_cancel(told.call); /* in the middle of the body */
    closed_within(2, 50);
    tt_buf_free(&told.body);

    told = (struct told){.cancel_at = AT_HEAD};
    begin(&told, "/hang-body", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.heads, 1);
    closed_within(3, 50);
    assert_int_equal(told.body.len, 0);

    told = (struct told){.cancel_at = AT_DATA};
    begin(&told, "/hang-body", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.heads, 1);
    closed_within(4, 50);
    assert_int_equal(told.body.len, 5);
    tt_buf_free(&told.body);
    tt_loop_turn(loop, 0);
    assert_int_equal(told.done, 0);

    told = (struct told){.cancel_at = AT_DONE};
    begin(&told, "/ok", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.done, 1);
    tt_buf_free(&told.body);

    told = (struct told){.cancel_at = AT_HEAD}; /* a head that is only told at the end */
    begin(&told, "/limited", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.heads, 1);
    tt_loop_turn(loop, 0);
    assert_int_equal(told.done, 0);
    struct tt_client_stats stats;
    tt_client_stats(client, &stats);
    assert_int_equal(stats.calls, 0);
}

static void cancelling_another(void **state)
{
    struct told waiting = {0}, other = {.cancel_other = &waiting};
    (void)state;
    begin(&waiting, "/hang", TT_STR("x"), (struct tt_deadlines){0});
    while (atomic_load(&fake.requests) < 1)
        tt_loop_turn(loop, 10);
    begin(&other, "/ok", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&other.done, 1);
    closed_within(1, 50);
    assert_int_equal(waiting.done, 0);
    tt_buf_free(&other.body);
}

static void refusing_data(void **state)
{
    struct told told = {.refuse_data = true};
    (void)state;
    begin(&told, "/drip", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.done, 1);
    assert_string_equal(told.error.code, "upstream_aborted");
    tt_buf_free(&told.body);
}

static void names_are_resolved(void **state)
{
    struct told told = {0};
    char url[64];
    (void)state;
    for (int i = 0; i < 3; i++) {
        told = (struct told){0};
        snprintf(url, sizeof(url), "http://localhost:%d/ok", fake.port);
        begin_url(&told, "GET", url, TT_STR(""), (struct tt_deadlines){0});
        wait_for(&told.done, 1);
        assert_int_equal(told.error.status, 0);
        tt_buf_free(&told.body);
    }
    assert_int_equal(fake.connections, 1);
    told = (struct told){0};
    begin_url(&told, "GET", "https://no-such-host.invalid/", TT_STR(""),
              (struct tt_deadlines){.connect = 15000});
    wait_for(&told.done, 1);
    assert_string_equal(told.error.code, "dns_failed");
    told = (struct told){0}; /* cancelled while it is looked up */
    begin_url(&told, "GET", "https://no-such-host2.invalid/", TT_STR(""),
              (struct tt_deadlines){0});
    tt_loop_turn(loop, 0);
    tt_call_cancel(told.call);
    /* a name that leads inside: the policy sees the address */
    told = (struct told){0};
    begin_url(&told, "GET", "https://ip6-localhost/", TT_STR(""), (struct tt_deadlines){0});
    wait_for(&told.done, 1);
    assert_true(strcmp(told.error.code, "address_not_allowed") == 0 ||
                strcmp(told.error.code, "dns_failed") == 0); /* not in every /etc/hosts */
}

/* The check at the socket itself: for when all before it were passed by. */
static void the_socket_is_judged(void **state)
{
    struct told told = {0};
    struct tt_egress *strict = tt_egress_new(NULL, 0, NULL);
    (void)state;
    begin(&told, "/ok", TT_STR(""), (struct tt_deadlines){0});
    client->settings.egress = strict;
    wait_for(&told.done, 1);
    assert_string_equal(told.error.code, "address_not_allowed");
    assert_int_equal(told.error.status, 422);
    assert_int_equal(fake.connections, 0);
    tt_egress_free(strict);
}

static void bad_requests(void **state)
{
    static const struct {
        const char *method, *url, *header, *code;
    } bad[] = {
        {"GET", "http://10.0.0.1/", "A: b", "address_not_allowed"},
        {"GET", "http://example.com/", "A: b", "address_not_allowed"},
        {"GET", "ftp://127.0.0.1/", "A: b", "invalid_url"},
        {"GET", "", "A: b", "invalid_url"},
        {"GET", "http://127.0.0.1/", "A: b\r\nC: d", "invalid_header"},
        {"GET", "http://127.0.0.1/", "A: b\nC: d", "invalid_header"},
        {"GET", "http://127.0.0.1/", "no colon", "invalid_header"},
        {"GET", "http://127.0.0.1/", ": b", "invalid_header"},
        {"GET", "http://127.0.0.1/", "A b: c", "invalid_header"},
        {"GET", "http://127.0.0.1/", "Host: other", "invalid_header"},
        {"GET", "http://127.0.0.1/", "content-length: 5", "invalid_header"},
        {"GET", "http://127.0.0.1/", "Transfer-Encoding: chunked", "invalid_header"},
        {"CONNECT", "http://127.0.0.1/", "A: b", "invalid_method"},
        {"GET /x", "http://127.0.0.1/", "A: b", "invalid_method"},
    };
    struct tt_client_stats stats;
    (void)state;
    for (size_t i = 0; i < TT_COUNT(bad); i++) {
        struct tt_str header = tt_str_from(bad[i].header);
        struct tt_call_request request = {.method = bad[i].method,
                                          .url = bad[i].url,
                                          .headers = &header,
                                          .header_count = 1};
        struct tt_call_handler handler = {on_head, on_data, on_done, NULL};
        struct tt_err err = {0};
        tt_buf_append_z(&request.body, "stays the caller's");
        assert_null(tt_call_start(client, &request, &handler, &err));
        if (strcmp(err.code, bad[i].code) != 0)
            fail_msg("%s %s: %s", bad[i].url, bad[i].header, err.code);
        assert_non_null(request.body.data);
        tt_buf_free(&request.body);
    }
    struct tt_str nul = tt_str_of("A: b\0c", 6);
    struct tt_call_request request = {
        .method = "GET", .url = "http://127.0.0.1/", .headers = &nul, .header_count = 1};
    assert_null(tt_call_start(client, &request, &(struct tt_call_handler){0}, NULL));
    tt_client_stats(client, &stats);
    assert_int_equal(stats.calls, 0);
    assert_int_equal(stats.started, 0);
}

static void freed_while_running(void **state)
{
    static struct told told[4];
    (void)state;
    memset(told, 0, sizeof(told));
    begin(&told[0], "/hang", TT_STR("x"), (struct tt_deadlines){.total = 60000});
    begin(&told[1], "/hang-body", TT_STR("x"), (struct tt_deadlines){.total = 60000});
    while (atomic_load(&fake.requests) < 2)
        tt_loop_turn(loop, 10);
    begin(&told[2], "/hang", TT_STR("x"), (struct tt_deadlines){.total = 60000});
    begin_url(&told[3], "GET", "https://no-such-host3.invalid/", TT_STR(""),
              (struct tt_deadlines){0});
    tt_client_free(client); /* tear_down frees NULL */
    client = NULL;
    for (size_t i = 0; i < TT_COUNT(told); i++) {
        assert_int_equal(told[i].done, 0);
        tt_buf_free(&told[i].body);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plain_call),
        TEST(methods),
        TEST(connections_are_reused),
        TEST(dead_connections_are_replaced),
        TEST(many_at_once),
        TEST(heads_without_a_body),
        TEST(big_bodies),
        TEST(failures),
        TEST(refused_connections),
        TEST(deadlines),
        TEST(deadlines_that_are_kept),
        TEST(tls_failures),
        TEST(cancelling),
        TEST(cancelling_another),
        TEST(refusing_data),
        TEST(names_are_resolved),
        TEST(the_socket_is_judged),
        TEST(bad_requests),
        TEST(freed_while_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
