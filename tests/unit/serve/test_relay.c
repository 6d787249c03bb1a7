/* Requests that another node answers. The node is this one: its private listener and the public one
 * are servers of the same dispatcher, and the script tells by `caller` which of them it is. */
#include "base/clock.h"
#include "node/relay.h"
#include "serve/relayed.h"
#include "serve/web.h"

#define SELF 7

static const char APP[] =
    "local time = require 'tide.time'\n"
    "local notes = {}\n"
    "local node = {id = 7}\n"
    "local owner = {\n"
    "  echo = function(req)\n"
    "    return {json = {method = req.method, path = req.path, query = req.query.q,\n"
    "      body = req:raw_body(), language = req.language, ip = req.ip, id = req.id,\n"
    "      secure = req.secure, user = req.caller, x = req:header('X-Test'),\n"
    "      token = (req:credentials()), origin = req:header('Origin')},\n"
    "      headers = {['X-Answer'] = 'yes'}} end,\n"
    "  teapot = function() return {status = 418, body = 'short'} end,\n"
    "  nothing = function() return {status = 204} end,\n"
    "  refused = function() return nil, {code = 'busy', retry_after = 7} end,\n"
    "  events = function() return {events = function(send)\n"
    "    for i = 1, 3 do send{id = '1.' .. i, data = 'x' .. i} end end} end,\n"
    "  breaks = function() return {chunks = function(write)\n"
    "    write('id: 1.5\\ndata: a\\n\\nid: 1.9\\nda') time.sleep(1) error('gone') end,\n"
    "    content_type = 'text/event-stream'} end,\n"
    "  waits = function() return {events = function(send)\n"
    "    local guard <close> = setmetatable({}, {__close = function() notes.closed = 1 end})\n"
    "    send('tick') time.sleep(600000) end} end,\n"
    "  much = function() return {chunks = function(write)\n"
    "    for i = 1, 256 do write(('y'):rep(16384)) notes.written = i end end} end,\n"
    "  elsewhere = function() return {status = 421, body = 'no'} end,\n"
    "}\n"
    "local function pass_on(req)\n"
    "  req.user = {id = 42, username = '\xe5\xbc\xa0', claims = {jti = 'j'}}\n"
    "  local response, err, last = req:relay(node)\n"
    "  if response then return response end\n"
    "  notes.code, notes.last = err.code, last\n"
    "  if last then return {status = 204} end\n"
    "  return {body = 'here, after ' .. err.code}\n"
    "end\n"
    "local function act(req)\n"
    "  if req.params.name == 'note' then\n"
    "    return {body = tostring(notes[req.query.name] or '-')} end\n"
    "  if req.params.name == 'port' then\n"
    "    node.address = '127.0.0.1:' .. req.query.port return {body = ''} end\n"
    "  if req.caller then return owner[req.params.name](req) end\n"
    "  return pass_on(req)\n"
    "end\n"
    "return {" RIG_ERRORS ", handle = function(route, req) return route.handler(req) end,\n"
    "routes = {\n"
    "  {method = 'GET', path = '/:name', auth = 'none', handler = act},\n"
    "  {method = 'POST', path = '/:name', auth = 'user', handler = act, request = {}},\n"
    "}}\n";

struct nodes {
    struct web web; /* first: the state of the tests is a web */
    struct tt_relay relay;
    struct tt_listener_handle handle;
    struct tt_http_server *private;
};

static void open_private(struct nodes *nodes, struct tt_dispatcher *dispatcher)
{
    struct tt_http_settings settings = {.address = "127.0.0.1:0"};
    struct tt_err err = {0};

    nodes->handle =
        (struct tt_listener_handle){.dispatcher = dispatcher, .guard = &tt_relayed_guard};
    struct tt_http_handler handler = tt_dispatch_handler(&nodes->handle);
    nodes->private = tt_http_server_new(nodes->web.rig->loop, &settings, &handler, &err);
    if (!nodes->private)
        fail_msg("%s", err.message);
}

static int setup(void **state)
{
    struct nodes *nodes = TT_NEW(struct nodes);
    struct rig *rig = rig_new();
    struct tt_err err = {0};
    char path[64];

    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT);
    rig_put(rig, "lua/app.lua", APP);
    rig_load(rig);
    web_open(&nodes->web, rig);
    rig_open_aux(rig);
    rig->resolver = tt_resolver_new(rig->aux);
    const struct tt_relay_parts parts = {.loop = rig->loop,
                                         .resolver = rig->resolver,
                                         .key =
                                             tt_str_of((const char *)rig->keys.relay, TT_KEY_SIZE),
                                         .self = SELF};
    assert_int_equal(tt_relay_create(&nodes->relay, &parts, &err), 0);
    nodes->web.dispatcher.relay = &nodes->relay;
    open_private(nodes, &nodes->web.dispatcher);
    snprintf(path, sizeof(path), "/port?port=%d", tt_http_server_port(nodes->private));
    web_get(&nodes->web, path);
    *state = nodes;
    return 0;
}

static int teardown(void **state)
{
    struct nodes *nodes = *state;
    struct rig *rig = nodes->web.rig;

    tt_task_cancel_all(&rig->tide.runtime);
    tt_http_server_free(nodes->private);
    web_close(&nodes->web);
    tt_relay_destroy(&nodes->relay);
    assert_int_equal(rig->tide.http_bytes, 0);
    assert_int_equal(atomic_load(&rig->generation->references), 1);
    rig_free(rig);
    free(nodes);
    return 0;
}

/* ---- what passes ---- */

static void a_request_and_its_answer_pass(void **state)
{
    struct web *web = *state;

    web_ask(web, "POST", "/echo?q=a%20b",
            "Authorization: Bearer secret\r\nX-Test: x\r\nAccept-Language: zh\r\n"
            "Content-Type: application/json\r\nOrigin: http://o\r\n",
            "{\"a\":1}");
    assert_int_equal(web->status, 200);
    assert_non_null(strstr(web->body, "\"method\":\"POST\""));
    assert_non_null(strstr(web->body, "\"query\":\"a b\""));
    assert_non_null(strstr(web->body, "\"body\":\"{\\\"a\\\":1}\""));
    assert_non_null(strstr(web->body, "\"language\":\"zh\""));
    assert_non_null(strstr(web->body, "\"ip\":\"127.0.0.1\""));
    assert_non_null(strstr(web->body, "\"x\":\"x\""));
    assert_non_null(strstr(web->body, "\"username\":\"\xe5\xbc\xa0\""));
    assert_non_null(strstr(web->body, "\"jti\":\"j\""));
    assert_null(strstr(web->body, "secret"));
    assert_null(strstr(web->body, "\"origin\""));
    assert_true(web_has(web, "X-Answer: yes"));
    assert_int_equal(web_count(web, "Content-Length"), 1);
    assert_int_equal(web_count(web, "X-Request-Id"), 1);
    assert_int_equal(web_count(web, "X-Script-Generation"), 1);
    assert_int_equal(web_count(web, "X-Content-Type-Options"), 1);
    assert_int_equal(web_count(web, "Date"), 1);
    char id[64];
    snprintf(id, sizeof(id), "\"id\":\"%.16s\"", strstr(web->answer.data, "X-Request-Id: ") + 14);
    assert_non_null(strstr(web->body, id)); /* one id on both nodes */
}

static void every_status_passes(void **state)
{
    struct web *web = *state;

    assert_int_equal(web_get(web, "/teapot"), 418);
    assert_string_equal(web->body, "short");
    assert_int_equal(web_get(web, "/nothing"), 204);
    assert_int_equal(web_get(web, "/refused"), 503);
    assert_true(web_has(web, "Retry-After: 7"));
    assert_non_null(strstr(web->body, "\"code\":\"busy\""));
}

static void events_pass(void **state)
{
    struct web *web = *state;

    assert_int_equal(web_get(web, "/events"), 200);
    assert_true(web_has(web, "Content-Type: text/event-stream"));
    assert_string_equal(web->body,
                        "id: 1.1\ndata: x1\n\nid: 1.2\ndata: x2\n\nid: 1.3\ndata: x3\n\n");
}

static void note_is(struct web *web, const char *name, const char *want)
{
    char path[64];

    snprintf(path, sizeof(path), "/note?name=%s", name);
    web_get(web, path);
    assert_string_equal(web->body, want);
}

/* Only whole events are sent on, and the script learns the last one's id. */
static void a_stream_that_breaks_off_ends_behind_a_whole_event(void **state)
{
    struct web *web = *state;

    assert_int_equal(web_get(web, "/breaks"), 200);
    assert_string_equal(web->body, "id: 1.5\ndata: a\n\n");
    note_is(web, "code", "node_gone");
    note_is(web, "last", "1.5");
    assert_int_equal(((struct nodes *)*state)->relay.stats.broken, 1);
}

static void the_owners_client_leaves_with_the_client(void **state)
{
    struct web *web = *state;
    int fd = web_connect(web, "GET /waits HTTP/1.1\r\nHost: x\r\n\r\n");

    tt_buf_clear(&web->answer);
    RIG_WAIT(web->rig, (web_read(web, fd),
                        web->answer.len > 0 && strstr(web->answer.data, "data: tick") != NULL));
    close(fd);
    RIG_WAIT(web->rig, web->rig->tide.runtime.task_count == 0);
    note_is(web, "closed", "1");
}

static int written(struct web *web)
{
    web_get(web, "/note?name=written");
    return atoi(web->body);
}

/* Nothing is read: what fits into sockets and buffers is less than the 4 MiB. */
static void a_slow_client_slows_the_owner_down(void **state)
{
    struct web *web = *state;
    int fd = web_connect(web, "GET /much HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    int before = -1;

    for (int now = 0, calm = 0; calm < 20; now = written(web)) {
        calm = now > 0 && now == before ? calm + 1 : 0;
        before = now;
    }
    assert_true(before < 256);
    tt_buf_clear(&web->answer);
    RIG_WAIT(web->rig, web_read(web, fd));
    close(fd);
    assert_true(web->answer.len > (size_t)4 << 20);
}

/* ---- what the script is told ---- */

static void nobody_there_is_told_before_anything_is_sent(void **state)
{
    struct web *web = *state;

    web_get(web, "/port?port=1");
    assert_int_equal(web_get(web, "/echo"), 200);
    assert_string_equal(web->body, "here, after node_unreachable");
}

static void a_node_that_is_not_the_owner_says_so(void **state)
{
    struct web *web = *state;

    web_get(web, "/elsewhere");
    assert_string_equal(web->body, "here, after not_owner");
}

/* ---- the private listener ---- */

static struct tt_relay_token good_token(void)
{
    static char digest[TT_RELAY_DIGEST];

    tt_relay_digest(TT_STR("{}"), digest);
    return (struct tt_relay_token){.at_ms = tt_clock_wall_us() / 1000,
                                   .to = SELF,
                                   .method = TT_STR("POST"),
                                   .target = TT_STR("/echo"),
                                   .digest = tt_str_from(digest),
                                   .request_id = TT_STR("0123456789abcdef"),
                                   .remote = TT_STR("192.0.2.7"),
                                   .user = TT_STR("{\"id\":3}")};
}

/* A request to the private listener; a NULL token: none. */
static int ask_private(struct nodes *nodes, const struct tt_relay_token *token, const char *key,
                       const char *body)
{
    struct tt_http_server *public = nodes->web.server;
    struct tt_buf header = {0};

    if (token) {
        tt_buf_append_z(&header, TT_RELAY_HEADER ": ");
        assert_int_equal(tt_relay_token_sign(tt_str_of(key, TT_KEY_SIZE), token, &header), 0);
        tt_buf_append_z(&header, "\r\n");
    }
    tt_buf_append_z(&header, "Content-Type: application/json\r\nAuthorization: Bearer x\r\n");
    nodes->web.server = nodes->private;
    web_ask(&nodes->web, "POST", "/echo", header.data, body);
    nodes->web.server = public;
    tt_buf_free(&header);
    return nodes->web.status;
}

static void a_signed_request_comes_in(void **state)
{
    struct nodes *nodes = *state;
    struct tt_relay_token token = good_token();

    assert_int_equal(ask_private(nodes, &token, nodes->relay.key.data, "{}"), 200);
    assert_non_null(strstr(nodes->web.body, "\"ip\":\"192.0.2.7\""));
    assert_true(web_has(&nodes->web, "X-Request-Id: 0123456789abcdef"));
    assert_int_equal(nodes->relay.stats.received, 1);
}

static void anything_else_is_refused(void **state)
{
    struct nodes *nodes = *state;
    const char *key = nodes->relay.key.data;
    char other[TT_KEY_SIZE] = {1};
    struct tt_relay_token token = good_token();

    assert_int_equal(ask_private(nodes, NULL, key, "{}"), 403);
    assert_int_equal(ask_private(nodes, &token, other, "{}"), 403);
    assert_int_equal(ask_private(nodes, &token, key, "{ }"), 403); /* another body */
    token.at_ms -= TT_RELAY_VALID_MS + 1000;
    assert_int_equal(ask_private(nodes, &token, key, "{}"), 403);
    token = good_token();
    token.to = SELF + 1; /* it was at this address before */
    assert_int_equal(ask_private(nodes, &token, key, "{}"), 421);
    token = good_token();
    token.method = TT_STR("GET");
    assert_int_equal(ask_private(nodes, &token, key, "{}"), 403);
    token = good_token();
    token.target = TT_STR("/echo?q=1");
    assert_int_equal(ask_private(nodes, &token, key, "{}"), 403);
    assert_int_equal(nodes->relay.stats.refused, 7);
}

/* Nobody can pass for a node at the public listener. */
static void a_token_means_nothing_elsewhere(void **state)
{
    struct nodes *nodes = *state;
    struct tt_relay_token token = good_token();
    struct tt_buf header = {0};

    tt_buf_append_z(&header, TT_RELAY_HEADER ": ");
    tt_relay_token_sign(nodes->relay.key, &token, &header);
    tt_buf_append_z(&header, "\r\nContent-Type: application/json\r\n");
    assert_int_equal(web_ask(&nodes->web, "POST", "/echo", header.data, "{}"), 401);
    tt_buf_free(&header);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_and_its_answer_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(every_status_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(events_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_breaks_off_ends_behind_a_whole_event, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_owners_client_leaves_with_the_client, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_client_slows_the_owner_down, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_there_is_told_before_anything_is_sent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_node_that_is_not_the_owner_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_signed_request_comes_in, setup, teardown),
        cmocka_unit_test_setup_teardown(anything_else_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_means_nothing_elsewhere, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
