/* Accept-Encoding with quality values, Accept, If-None-Match and Range; types of files. */
#include "base/mem.h"
#include "http/content_type.h"
#include "http/negotiate.h"
#include "unit_test.h"

#define ALL ((1u << TT_HTTP_ENCODINGS) - 1)

static void expect_encoding(const char *accept, unsigned available, const char *wanted)
{
    struct tt_str name =
        tt_http_encoding_name(tt_http_choose_encoding(tt_str_from(accept), available));
    if (!tt_str_eq(name, tt_str_from(wanted)))
        fail_msg("%s: '%.*s', not '%s'", accept ? accept : "absent", TT_STR_ARG(name), wanted);
}

static void encodings(void **state)
{
    static const struct {
        const char *accept, *wanted;
    } cases[] = {
        {NULL, ""},
        {"", ""},
        {"gzip, deflate, br, zstd", "br"},
        {"gzip, deflate", "gzip"},
        {"GZIP", "gzip"},
        {"deflate", ""},
        {"identity", ""},
        {"br;q=0.5, gzip;q=0.8", "gzip"},
        {"gzip; q=0.8 , br ;q=0.81", "br"},
        {"br;q=0, gzip", "gzip"},
        {"br;q=0.000, gzip;q=0", ""},
        {"*", "br"},
        {"*;q=0.1", "br"},
        {"br;q=0, *", "gzip"},
        {"*;q=0", ""},
        {"gzip;q=0.5, identity", ""},
        {"gzip;q=0.5, identity;q=0.5", "gzip"},
        {"gzip;q=0.5, identity;q=0", "gzip"},
        {"identity;q=0", ""}, /* there is nothing else to give */
        {"gzip;q=1.000", "gzip"},
        {"gzip;q=1.1", ""}, /* no quality: passed over */
        {"gzip;q=2", ""},
        {"gzip;q=", ""},
        {"gzip;q=0.1234", ""},
        {"gzip;q=a, br", "br"},
        {",,gzip,", "gzip"},
        {";;q=1", ""},
        {"gzip;level=9;q=0.3, br;q=0.2", "gzip"},
        {"brgzip, xbr", ""},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++)
        expect_encoding(cases[i].accept, ALL, cases[i].wanted);
    expect_encoding("gzip, br", 1u << TT_HTTP_IDENTITY | 1u << TT_HTTP_GZIP, "gzip");
    expect_encoding("gzip, br", 1u << TT_HTTP_IDENTITY, "");
}

static void html(void **state)
{
    static const char *const yes[] = {
        "text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/json, Text/HTML;q=0.1", "text/html;charset=utf-8"};
    static const char *const no[] = {NULL,
                                     "",
                                     "*/*",
                                     "text/*",
                                     "application/json",
                                     "text/html;q=0",
                                     "text/htmlx",
                                     "text/plain;a=text/html"};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(yes); i++)
        assert_true(tt_http_accepts_html(tt_str_from(yes[i])));
    for (size_t i = 0; i < TT_COUNT(no); i++)
        assert_false(tt_http_accepts_html(tt_str_from(no[i])));
}

static void etags(void **state)
{
    static const char *const yes[] = {"\"ab\"", "*", "W/\"ab\"", "\"x\", \"ab\"",
                                      "\"x\",W/\"ab\" "};
    static const char *const no[] = {NULL, "", "ab", "\"a\"", "\"abc\"", "\"x\", \"y\""};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(yes); i++)
        assert_true(tt_http_has_etag(tt_str_from(yes[i]), TT_STR("\"ab\"")));
    for (size_t i = 0; i < TT_COUNT(no); i++)
        assert_false(tt_http_has_etag(tt_str_from(no[i]), TT_STR("\"ab\"")));
}

static void ranges(void **state)
{
    static const struct {
        const char *range, *wanted; /* "" = the whole, NULL = unsatisfiable */
    } cases[] = {
        {NULL, ""},
        {"", ""},
        {"bytes=0-0", "0"},
        {"bytes=2-4", "234"},
        {"bytes=7-", "789"},
        {"Bytes=8-100", "89"},
        {"bytes=-3", "789"},
        {"bytes=-100", "0123456789"},
        {"bytes=0-", "0123456789"},
        {"bytes=10-", NULL},
        {"bytes=10-11", NULL},
        {"bytes=-0", NULL},
        {"bytes=4-2", ""},
        {"bytes=", ""},
        {"bytes=-", ""},
        {"bytes=a-b", ""},
        {"bytes=1-2,4-5", ""},
        {"items=0-1", ""},
        {"bytes=1--2", ""},
        {"bytes=18446744073709551615-", NULL},
        {"bytes=18446744073709551616-", ""},
        {"bytes=1-18446744073709551615", "123456789"},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_str part;
        uint64_t from = 0, len = 0;
        enum tt_http_range found = tt_http_cut_range(tt_str_from(cases[i].range), 10, &from, &len);
        part = tt_str_of("0123456789" + from, found == TT_HTTP_RANGE_PART ? (size_t)len : 0);
        enum tt_http_range wanted = !cases[i].wanted    ? TT_HTTP_RANGE_UNSATISFIABLE
                                    : !*cases[i].wanted ? TT_HTTP_RANGE_NONE
                                                        : TT_HTTP_RANGE_PART;
        if (found != wanted || (cases[i].wanted && !tt_str_eq(part, tt_str_from(cases[i].wanted))))
            fail_msg("%s: %d '%.*s'", cases[i].range, found, TT_STR_ARG(part));
    }
}

static void inert_types(void **state)
{
    static const struct {
        const char *type;
        bool inert;
    } cases[] = {
        {"image/png", true},
        {"Text/Plain ; charset=utf-8", true},
        {"audio/x", true},
        {"image/svg+xml", false},
        {"text/html", false},
        {"text/plain2", false},
        {"text/plain, text/html", false},
        {"text/plain; a=b, text/html", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++)
        if (tt_http_type_is_inert(tt_str_from(cases[i].type)) != cases[i].inert)
            fail_msg("%s", cases[i].type);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings), cmocka_unit_test(html),        cmocka_unit_test(etags),
        cmocka_unit_test(ranges),    cmocka_unit_test(inert_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
