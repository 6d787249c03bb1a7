/* What the tests of the pump share: a client, OpenAI's paths, starting and finishing a reply. The
 * test defines `routes` of its server after including this. */
#pragma once
#include "upstream/fake_upstream.h"
#include "upstream/spec_text.h"
#include "upstream/upstream.h"

static struct tt_loop *loop;
static struct tt_client *client;
static struct tt_egress *egress;
static struct tt_delta_spec *spec;
static struct fake fake;

#define EVENT(delta) "data: {\"choices\":[{\"delta\":" delta "}]}\n\n"
#define TEXT(text)   EVENT("{\"content\":\"" text "\"}")
#define FINISH       "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n"
#define DONE         "data: [DONE]\n\n"

#define ROUTES 16
static const struct fake_route routes[ROUTES]; /* the test defines it */

static inline int set_up(void **state)
{
    struct tt_str allow[] = {TT_STR("127.0.0.1")};
    static const char stream[] =
        "content=choices.0.delta.content reasoning=choices.0.delta.reasoning_content"
        " finish=choices.0.finish_reason input=usage.prompt_tokens output=usage.completion_tokens"
        " error=error index=choices.0.delta.tool_calls.*.index"
        " id=choices.0.delta.tool_calls.*.id call=choices.0.delta.tool_calls.*.function.name"
        " arguments=choices.0.delta.tool_calls.*.function.arguments";
    static const char whole[] =
        "content=choices.0.message.content reasoning=choices.0.message.reasoning_content"
        " finish=choices.0.finish_reason input=usage.prompt_tokens output=usage.completion_tokens"
        " error=error";
    (void)state;
    loop = tt_loop_new(NULL);
    egress = tt_egress_new(allow, 1, NULL);
    client = tt_client_new(loop, &(struct tt_client_settings){.egress = egress}, NULL);
    spec = tt_delta_spec_new(TT_SSE_EVENTS, "[DONE]");
    assert_int_equal(spec_add(spec, false, TT_STR(stream), NULL), 0);
    assert_int_equal(spec_add(spec, true, TT_STR(whole), NULL), 0);
    fake_start(&fake, routes);
    return 0;
}

static inline int tear_down(void **state)
{
    struct tt_client_stats stats;
    (void)state;
    tt_loop_tick(loop, 0);
    tt_client_stats(client, &stats);
    tt_client_free(client);
    fake_stop(&fake);
    tt_delta_spec_unref(spec);
    tt_egress_free(egress);
    tt_loop_free(loop);
    return tt_reply_count() == 0 && tt_reply_memory_used() == 0 && stats.calls == 0 ? 0 : -1;
}

static inline void on_produced(struct tt_reply *reply, void *arg)
{
    *(bool *)arg = true;
    tt_reply_finish(reply, NULL);
}

/* Starts; the caller holds a reference. */
static inline struct tt_reply *begin(const char *path, struct tt_deadlines deadlines,
                                     const struct tt_upstream_hooks *hooks)
{
    struct tt_reply *reply = tt_reply_new(loop, 1, 1, 1, NULL);
    struct tt_call_request request = {.method = "POST", .deadlines = deadlines};
    struct tt_err err = {0};
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", fake.port, path);
    request.url = url;
    struct tt_buf text = {0};
    tt_buf_append_z(&text, "{}");
    request.body = tt_call_body_new(&text);
    if (tt_upstream_try(client, &request, spec, reply, hooks, &err) != 0)
        fail_msg("%s", err.message);
    tt_call_body_unref(request.body);
    return reply;
}

static inline void finish(struct tt_reply *reply)
{
    bool produced = false;
    uint64_t limit = tt_clock_mono_ms() + 30000;
    tt_reply_on_produced(reply, on_produced, &produced);
    while (!produced && tt_clock_mono_ms() < limit)
        tt_loop_tick(loop, 50);
    assert_true(produced);
}

/* The pump may still read the rest of the answer for a moment. */
static inline void settle(void)
{
    struct tt_client_stats stats;
    do {
        tt_loop_tick(loop, 50);
        tt_client_stats(client, &stats);
    } while (stats.calls > 0);
}

static inline void expect_text(const struct tt_reply *reply, enum tt_reply_kind kind,
                               const char *want)
{
    struct tt_buf got = {0};
    tt_reply_text(reply, kind, &got);
    assert_string_equal(got.data ? got.data : "", want);
    tt_buf_free(&got);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
