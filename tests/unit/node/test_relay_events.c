/* Streams that pass through in whole events, cut at every byte. */
#include "node/relay_events.h"
#include "unit_test.h"

static const char own[] = "id: 7.5\ndata: {\"content\":\"a\\n\\nid: 9.9\",\"done\":false}\n\n"
                          ": ping\n\n"
                          "id: 7.11\ndata: {\"content\":\"b\"}\n\n"
                          "id: 7.11.end\ndata: {\"done\":true}\n\n";

static const char responses[] =
    "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"
    "\"x\":1}\n\n"
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
    "\"sequence_number\":12,\"delta\":\"data: {\\\"type\\\":\\\"x\\\",\\\"sequence_number\\\":99\"}"
    "\n\n";

static struct tt_str str(const char *text)
{
    return tt_str_from(text);
}

static void passes_everything_on_whatever_the_cut(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= sizeof(own) - 1; cut++) {
        struct tt_relay_events events = {0};
        struct tt_buf out = {0};

        assert_int_equal(tt_relay_events_feed(&events, tt_str_of(own, cut), &out), 0);
        assert_true(out.len == 0 || memcmp(out.data + out.len - 2, "\n\n", 2) == 0);
        assert_int_equal(
            tt_relay_events_feed(&events, tt_str_of(own + cut, sizeof(own) - 1 - cut), &out), 0);
        assert_true(tt_str_eq(tt_buf_str(&out), str(own)));
        assert_string_equal(events.id, "7.11.end");
        assert_false(events.has_number);
        tt_buf_free(&out);
        tt_relay_events_free(&events);
    }
}

static void knows_the_last_whole_event(void **state)
{
    struct tt_relay_events events = {0};
    struct tt_buf out = {0};
    size_t ping = (size_t)(strstr(own, ": ping") - own), more = (size_t)(strstr(own, "7.11") - own);
    (void)state;

    tt_relay_events_feed(&events, tt_str_of(own, ping), &out);
    assert_string_equal(events.id, "7.5");
    tt_relay_events_feed(&events, tt_str_of(own + ping, more + 20 - ping), &out);
    assert_string_equal(events.id, "7.5");
    assert_int_equal(out.len, more - strlen("id: "));
    tt_relay_events_feed(&events, str("\"}\n\n"), &out);
    assert_string_equal(events.id, "7.11");
    tt_buf_free(&out);
    tt_relay_events_free(&events);
}

static void knows_the_number_of_a_response_event(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= sizeof(responses) - 1; cut++) {
        struct tt_relay_events events = {0};
        struct tt_buf out = {0};

        tt_relay_events_feed(&events, tt_str_of(responses, cut), &out);
        tt_relay_events_feed(&events, tt_str_of(responses + cut, sizeof(responses) - 1 - cut),
                             &out);
        assert_true(events.has_number);
        assert_int_equal(events.number, 12);
        assert_string_equal(events.id, "");
        tt_buf_free(&out);
        tt_relay_events_free(&events);
    }
}

static void bears_any_bytes(void **state)
{
    static const char *const texts[] = {"",
                                        "\n",
                                        "\n\n",
                                        "\n\n\n\n",
                                        "id: \n\n",
                                        "data: {\"type\":\"\n\n",
                                        "id: 0123456789012345678901234567890123456789"
                                        "0123456789012345678901234567890123456789\n\n"};
    (void)state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct tt_relay_events events = {0};
        struct tt_buf out = {0};

        assert_int_equal(tt_relay_events_feed(&events, str(texts[i]), &out), 0);
        assert_string_equal(events.id, "");
        assert_false(events.has_number);
        tt_buf_free(&out);
        tt_relay_events_free(&events);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_everything_on_whatever_the_cut),
        cmocka_unit_test(knows_the_last_whole_event),
        cmocka_unit_test(knows_the_number_of_a_response_event),
        cmocka_unit_test(bears_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
