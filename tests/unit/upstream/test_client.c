/* Outbound calls that go well: what is sent, what is told, how connections are reused; and what is
 * refused before anything is sent. */
#include "upstream/client_fixture.h"

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
    assert_true(fake_head_has(&fake, "\r\nAccept-Encoding: identity\r\n"));
    assert_true(fake_head_has(&fake, "\r\nUser-Agent: TideTalk/"));
    tt_buf_free(&told.body);
}

/* These are sent as given, not beside ours; what is hidden in an upstream's words is what was
 * given. */
static void given_headers_replace_ours(void **state)
{
    struct tt_str given[] = {TT_STR("user-agent: mine"), TT_STR("ACCEPT-ENCODING: gzip")}, lines[8];
    struct tt_err err = {0};
    (void)state;
    struct tt_call_headers *headers = tt_call_headers_new(given, TT_COUNT(given), &err);
    assert_non_null(headers);
    assert_int_equal(tt_call_headers_lines(headers, lines, TT_COUNT(lines)), 2);
    assert_true(tt_str_eq(lines[0], given[0]));
    struct curl_slist *sent = tt_call_headers_list(headers);
    size_t count = 0;
    for (struct curl_slist *line = sent; line; line = line->next)
        count++;
    assert_int_equal(count, 3); /* and "Expect:", which is none */
    tt_call_headers_unref(headers);
    headers = tt_call_headers_new(NULL, 0, &err);
    assert_int_equal(tt_call_headers_lines(headers, lines, TT_COUNT(lines)), 0);
    tt_call_headers_unref(headers);
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
            tt_loop_tick(loop, 50);
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
    struct told told = {0}, other = {0}, endless = {0};
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
    fetch(&endless, "/limited-for-ever", TT_STR("x"));
    assert_int_equal(endless.retry_after, TT_RETRY_AFTER_MAX_S);
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

/* However fast an upstream sends: one of its answers must not fill a tick, for the loop has others.
 */
static void a_tick_takes_a_bounded_piece(void **state)
{
    struct told down = {0};
    size_t most = 0, before = 0;
    (void)state;
    begin(&down, "/big", TT_STR(""), (struct tt_deadlines){.between = 5000});
    for (; !down.done; before = down.body.len) {
        tt_loop_tick(loop, 100);
        if (down.body.len - before > most)
            most = down.body.len - before;
    }
    assert_int_equal(down.body.len, 20 << 20);
    assert_in_range(most, 1, 16 << 10);
    tt_buf_free(&down.body);
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
    begin_url(&told, "GET", "https://no-such-host2.invalid/", TT_STR(""), (struct tt_deadlines){0});
    tt_loop_tick(loop, 0);
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
        struct tt_call_request request = {
            .method = bad[i].method, .url = bad[i].url, .headers = &header, .header_count = 1};
        struct tt_call_handler handler = {on_head, on_data, on_done, NULL};
        struct tt_err err = {0};
        struct tt_buf text = {0};
        tt_buf_append_z(&text, "stays the caller's");
        request.body = tt_call_body_new(&text);
        assert_null(tt_call_start(client, &request, &handler, &err));
        if (strcmp(err.code, bad[i].code) != 0)
            fail_msg("%s %s: %s", bad[i].url, bad[i].header, err.code);
        assert_int_equal(request.body->refs, 1);
        tt_call_body_unref(request.body);
    }
    struct tt_str nul = tt_str_of("A: b\0c", 6);
    struct tt_call_request request = {
        .method = "GET", .url = "http://127.0.0.1/", .headers = &nul, .header_count = 1};
    assert_null(tt_call_start(client, &request, &(struct tt_call_handler){0}, NULL));
    tt_client_stats(client, &stats);
    assert_int_equal(stats.calls, 0);
    assert_int_equal(stats.started, 0);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(a_plain_call),
        TEST(given_headers_replace_ours),
        TEST(methods),
        TEST(connections_are_reused),
        TEST(dead_connections_are_replaced),
        TEST(many_at_once),
        TEST(heads_without_a_body),
        TEST(big_bodies),
        TEST(a_tick_takes_a_bounded_piece),
        TEST(names_are_resolved),
        TEST(the_socket_is_judged),
        TEST(bad_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
