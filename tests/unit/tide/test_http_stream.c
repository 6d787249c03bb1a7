/* Answers that scripts read piece by piece: what comes when, back-pressure, limits, ends. */
#include "outbound.h"
#include "script/task.h"

#include <stdatomic.h>

#define FLOOD_BYTES ((size_t)8 << 20)

static atomic_size_t flooded; /* bytes that the other server could send */
static atomic_int gate;       /* pieces that it may send */

static bool serve_pieces(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 201 Created\r\nX-A: 1\r\nRetry-After: 7\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n");
    for (int sent = 0; sent < 3; sent++) {
        while (atomic_load(&gate) <= sent)
            usleep(500);
        if (sent < 2)
            fake_chunk(request->fd, sent ? "two" : "one");
    }
    fake_puts(request->fd, "0\r\n\r\n");
    return true;
}

static bool serve_flood(struct fake_request *request)
{
    char block[4096] = {0}, head[100];
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", FLOOD_BYTES);
    fake_puts(request->fd, head);
    for (size_t sent = 0; sent < FLOOD_BYTES; sent += sizeof(block)) {
        fake_send(request->fd, block, sizeof(block));
        atomic_fetch_add(&flooded, sizeof(block));
    }
    return true;
}

static bool serve_broken(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    return false;
}

static bool serve_empty(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    return true;
}

static const struct fake_route routes[] = {
    {"/pieces", serve_pieces}, {"/flood", serve_flood}, {"/broken", serve_broken},
    {"/empty", serve_empty},   {"/hang", fake_hang},    {NULL, NULL},
};

static int setup(void **state)
{
    atomic_store(&flooded, 0);
    atomic_store(&gate, 100);
    *state = outbound_start(routes);
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    size_t kept = rig->tide.http_bytes;
    outbound_stop(rig);
    assert_int_equal(kept, 0);
    return 0;
}

static const char *with_server(const char *body)
{
    static char text[4096];
    snprintf(text, sizeof(text),
             "local http = require 'tide.http' local task = require 'tide.task' "
             "local function at(path) return 'http://127.0.0.1:%d' .. path end "
             "local function all(s) local n, p, e = 0 repeat p, e = s:read() n = n + #(p or '') "
             "until not p return n, e end %s",
             fake.port, body);
    return text;
}

static bool is_noted(struct rig *rig, const char *name)
{
    struct tt_shared_key key = {TT_STR("t"), tt_str_from(name)};
    struct tt_shared_value value = {0};
    bool noted = tt_shared_get(rig->tide.shared, &key, &value);

    tt_cache_value_unref(value.held);
    return noted;
}

static void pieces_come_as_they_are_sent(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               with_server("local s = http.stream{url = at '/pieces'}"
                           "return {s:status(), s:headers()['x-a'], s:retry_after(), all(s), "
                           "s:read() == nil}"),
               "[201,\"1\",7,6,true]");
    /* The head is there before the first piece, and pieces may be cut. */
    atomic_store(&gate, 0);
    rig_load_body(rig, with_server("local s = http.stream{url = at '/pieces'}"
                                   "require('tide.shared').dict('t'):set('head', 'there')"
                                   "return {s:read(2), (all(s))}"));
    rig_start(rig);
    RIG_WAIT(rig, is_noted(rig, "head"));
    assert_false(rig->ended);
    atomic_store(&gate, 1);
    rig_ticks(rig, 10);
    atomic_store(&gate, 100);
    RIG_WAIT(rig, rig->ended);
    assert_string_equal(rig->result, "[\"on\",4]");
    rig_expect(rig,
               with_server("local s = http.stream{url = at '/empty'} return {s:status(), s:read() "
                           "== nil, s:retry_after() == nil}"),
               "[404,true,true]");
}

/* A script that does not read makes the other server wait; time does not run meanwhile. */
static void what_is_not_read_waits_there(void **state)
{
    struct rig *rig = *state;
    size_t before;

    rig_load_body(rig, with_server("local s = http.stream{url = at '/flood', idle_ms = 100}"
                                   "while not require('tide.shared').dict('t'):get('go') do "
                                   "time.sleep(1) end local n, e = all(s) return {n, e == nil}"));
    rig_start(rig);
    RIG_WAIT(rig, rig->tide.http_bytes >= 65536);
    do {
        before = atomic_load(&flooded);
        rig_ticks(rig, 150);
    } while (before != atomic_load(&flooded));
    assert_true(before < FLOOD_BYTES);
    assert_true(rig->tide.http_bytes < 65536 + 32768);
    assert_false(rig->ended);
    struct tt_shared_key key = {TT_STR("t"), TT_STR("go")};
    assert_int_equal(tt_shared_set(rig->tide.shared, &key,
                                   &(struct tt_shared_value){.is_integer = true, .integer = 1}, 0,
                                   &rig->err),
                     0);
    RIG_WAIT(rig, rig->ended);
    assert_string_equal(rig->result, "[8388608,true]");
}

/* In builds with a sanitizer; otherwise there is no such function. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated(void)
{
    return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes() : 0;
}

/* A script that reads more slowly than it comes, and so never all of it. */
static void what_was_read_is_not_held(void **state)
{
    struct rig *rig = *state;
    size_t before = allocated();

    rig_load_body(rig, with_server("local t = require('tide.shared').dict('t')"
                                   "local s = http.stream{url = at '/flood'} local n = 0 "
                                   "while n < 4 << 20 do n = n + #s:read(4000) time.sleep(1) end "
                                   "t:set('read', 'most')"
                                   "while true do time.sleep(1) end"));
    rig_start(rig);
    RIG_WAIT(rig, is_noted(rig, "read"));
    assert_true(allocated() < before + ((size_t)2 << 20));
    tt_task_cancel(rig->task);
    rig_ticks(rig, 2);
}

static void limits_and_failures_are_told(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               with_server("local s = http.stream{url = at '/flood', max_bytes = 100000}"
                           "local n, e = all(s) return {n <= 100000, e.code}"),
               "[true,\"outbound_too_large\"]");
    rig_expect(rig,
               with_server("local s = http.stream{url = at '/broken'} local n, e = all(s) "
                           "return {n, e.code}"),
               "[4,\"outbound_failed\"]");
    rig_expect(rig,
               with_server("local s, e = http.stream{url = at '/hang', timeout_ms = 50}"
                           "return {s == nil, e.code}"),
               "[true,\"outbound_timeout\"]");
    atomic_store(&gate, 1);
    rig_expect(rig,
               with_server("local s = http.stream{url = at '/pieces', idle_ms = 50}"
                           "local n, e = all(s) return {n, e.code}"),
               "[3,\"outbound_timeout\"]");
    atomic_store(&gate, 100);
    rig_expect(rig,
               with_server("local s, e = http.stream{url = 'http://10.0.0.1/'}"
                           "local t, f = http.stream{url = at '/x', headers = {A = 'x\\r\\ny'}}"
                           "return {e.code, f.code}"),
               "[\"address_not_allowed\",\"invalid_header\"]");
    rig_expect_in(rig, with_server("http.stream{url = at '/x', tiemout = 1}"),
                  "http.stream: there is no field 'tiemout'");
    rig_expect_in(rig, with_server("http.stream{url = at '/x', idle_ms = 0}"),
                  "http.stream: 'idle_ms' is 1 to 600000");
}

static int calls(struct rig *rig)
{
    struct tt_client_stats stats;
    tt_client_stats(rig->tide.chat.client, &stats);
    return stats.calls;
}

static void a_stream_ends_when_it_is_closed(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               with_server("local s do local t <close> = http.stream{url = at '/flood'} s = t "
                           "t:read() end s:close() return {s:read() == nil, s:status()}"),
               "[true,200]");
    RIG_WAIT(rig, calls(rig) == 0);
    /* By its task, also when another one of it reads. */
    rig_expect(rig,
               with_server("local s = http.stream{url = at '/flood'} task.spawn(function() "
                           "http.stream{url = at '/hang'} end) time.sleep(20) return s:status()"),
               "200");
    RIG_WAIT(rig, calls(rig) == 0);
    atomic_store(&gate, 1);
    rig_load_body(rig, with_server("local s = http.stream{url = at '/pieces'} all(s)"));
    rig_start(rig);
    RIG_WAIT(rig, calls(rig) == 1);
    rig_ticks(rig, 10);
    tt_task_cancel(rig->task);
    RIG_WAIT(rig, calls(rig) == 0);
    atomic_store(&gate, 100);
}

/* The client leaves while the script waits for the second piece. */
static void leave(struct rig *rig, const char *disconnect, int calls_left, const char *want)
{
    char body[400];

    snprintf(body, sizeof(body),
             "local s = http.stream{url = at '/pieces'%s} local first = s:read() "
             "require('tide.shared').dict('t'):set('%s', 'read') "
             "local n, e = all(s) return {first, n, e and e.code or 'none'}",
             disconnect, want);
    atomic_store(&gate, 1);
    rig_load_body(rig, with_server(body));
    rig_start(rig);
    RIG_WAIT(rig, is_noted(rig, want));
    tt_task_client_left(rig->task);
    rig_ticks(rig, 10);
    assert_int_equal(calls(rig), calls_left);
    atomic_store(&gate, 100);
    RIG_WAIT(rig, rig->ended);
    assert_string_equal(rig->result, want);
}

static void a_stream_may_end_with_the_client(void **state)
{
    leave(*state, "", 1, "[\"one\",3,\"none\"]");
    leave(*state, ", disconnect = 'cancel'", 0, "[\"one\",0,\"client_gone\"]");
}

static void one_task_reads_at_a_time(void **state)
{
    struct rig *rig = *state;

    atomic_store(&gate, 0);
    rig_expect_in(rig,
                  with_server("local s = http.stream{url = at '/pieces'}"
                              "task.spawn(function() s:read() end) time.sleep(5) s:read()"),
                  "another task reads from this stream");
    atomic_store(&gate, 100);
}

#define STREAM_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(pieces_come_as_they_are_sent),     STREAM_TEST(what_is_not_read_waits_there),
        STREAM_TEST(limits_and_failures_are_told),     STREAM_TEST(a_stream_ends_when_it_is_closed),
        STREAM_TEST(a_stream_may_end_with_the_client), STREAM_TEST(one_task_reads_at_a_time),
        STREAM_TEST(what_was_read_is_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
