/* The address policy: every range and every trick as data. */
#include "base/cases.h"
#include "upstream/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static struct tt_egress *parse_allow(struct tt_str text)
{
    struct tt_str items[16], item;
    size_t count = 0;
    struct tt_err err = {0};
    text = tt_str_trim(tt_str_of(text.data + 5, text.len - 5));
    while (text.len > 0 && tt_str_split(&text, ',', &item))
        items[count++] = item;
    struct tt_egress *egress = tt_egress_new(items, count, &err);
    if (!egress)
        fail_msg("%s", err.message);
    return egress;
}

/* Runs `check` on each line "what => wanted". */
static void table(const char *name, void (*check)(const struct tt_egress *egress, const char *what,
                                                  struct tt_str wanted, int line))
{
    struct cases cases;
    struct tt_str line;
    struct tt_egress *egress = NULL;
    int count = 0;
    cases_open(&cases, name);
    while (cases_line(&cases, &line)) {
        if (line.len == 0)
            continue;
        if (tt_str_starts(line, TT_STR("allow"))) {
            tt_egress_free(egress);
            egress = parse_allow(line);
            continue;
        }
        const char *arrow = memmem(line.data, line.len, " => ", 4);
        assert_non_null(arrow);
        char *what = tt_strndup(line.data, (size_t)(arrow - line.data));
        struct tt_str wanted = tt_str_of(arrow + 4, line.len - (size_t)(arrow + 4 - line.data));
        check(egress, what, wanted, cases.line);
        free(what);
        count++;
    }
    assert_true(count > 20);
    tt_egress_free(egress);
    cases_close(&cases);
}

static void check_url(const struct tt_egress *egress, const char *what, struct tt_str wanted,
                      int line)
{
    struct tt_url url;
    struct tt_err err = {0};
    int result = tt_egress_check_url(egress, tt_str_from(what), &url, &err);
    const char *got = result == 0 ? "ok" : err.code;
    if (!tt_str_eq(tt_str_from(got), wanted))
        fail_msg("line %d: %s: got %s (%s)", line, what, got, err.message);
    if (result != 0)
        assert_int_equal(err.status, strcmp(err.code, "invalid_url") == 0 ? 400 : 422);
}

static void urls(void **state)
{
    (void)state;
    table("egress/urls.txt", check_url);
}

static socklen_t make_address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof(*v4);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof(*v6);
}

static void check_address(const struct tt_egress *egress, const char *what, struct tt_str wanted,
                          int line)
{
    struct sockaddr_storage address;
    struct tt_err err = {0};
    make_address(what, 443, &address);
    int result =
        tt_egress_check_address(egress, "api.example.com", 443, (struct sockaddr *)&address, &err);
    if ((result == 0) != tt_str_eq(wanted, TT_STR("ok")))
        fail_msg("line %d: %s: got %d (%s)", line, what, result, err.message);
    if (result != 0)
        assert_string_equal(err.code, "address_not_allowed");
}

static void addresses(void **state)
{
    (void)state;
    table("egress/addresses.txt", check_address);
}

static void check_item(const struct tt_egress *egress, const char *what, struct tt_str wanted,
                       int line)
{
    struct tt_err err = {0};
    char *text = tt_strndup(what, strlen(what));
    (void)egress;
    if (text[0] == '_') {
        text[0] = ' ';
        text[strlen(text) - 1] = ' ';
    }
    struct tt_str item = tt_str_from(text);
    int result = tt_egress_check_item(item, &err);
    if ((result == 0) != tt_str_eq(wanted, TT_STR("ok")))
        fail_msg("line %d: \"%s\": got %d", line, what, result);
    if (result != 0) {
        assert_string_equal(err.code, "invalid_setting");
        assert_null(tt_egress_new(&item, 1, &err));
    }
    free(text);
}

static void items(void **state)
{
    (void)state;
    table("egress/items.txt", check_item);
}

static void odd_sockets(void **state)
{
    struct tt_egress *egress = tt_egress_new(NULL, 0, NULL);
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    (void)state;
    assert_int_equal(
        tt_egress_check_address(egress, "a.example", 443, (struct sockaddr *)&address, NULL), -1);
    make_address("1.1.1.1", 80, &address); /* not the port that was judged */
    assert_int_equal(
        tt_egress_check_address(egress, "a.example", 443, (struct sockaddr *)&address, NULL), -1);
    make_address("1.1.1.1", 443, &address);
    assert_int_equal(tt_egress_check_address(egress, "metadata.google.internal", 443,
                                             (struct sockaddr *)&address, NULL),
                     -1);
    tt_egress_free(egress);
}

/* Whether a URL goes through a proxy: 'd'irectly, 'p'roxied or 'r'efused. */
static char way_of(const struct tt_egress *egress, const char *url)
{
    struct tt_url parsed;
    if (tt_egress_check_url(egress, tt_str_from(url), &parsed, NULL) != 0)
        return 'r';
    if (tt_egress_is_listed(egress, &parsed))
        return 'd';
    return tt_egress_check_proxied(egress, &parsed, NULL) == 0 ? 'p' : 'r';
}

static void proxied(void **state)
{
    static const struct {
        const char *url;
        char way;
    } cases[] = {
        {"https://api.example.com/v1", 'p'},
        {"https://1.1.1.1/v1", 'p'},
        {"http://10.1.2.3:8000/v1", 'd'},
        {"http://gpu:8000/v1", 'd'},
        {"https://gpu:8001/v1", 'r'},
        {"https://gpuserver/v1", 'r'},
        {"https://192.168.1.1/v1", 'r'},
        {"http://api.example.com/v1", 'r'},
        {"https://metadata.google.internal/v1", 'r'},
        {"https://metadata.tencentyun.com/v1", 'r'},
        {"https://169.254.169.254/v1", 'r'},
    };
    struct tt_str allow[] = {TT_STR("10.0.0.0/8"), TT_STR("gpu:8000")};
    struct tt_egress *egress = tt_egress_new(allow, TT_COUNT(allow), NULL);
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++)
        if (way_of(egress, cases[i].url) != cases[i].way)
            fail_msg("%s: %c", cases[i].url, way_of(egress, cases[i].url));
    tt_egress_close_public(egress);
    assert_int_equal(way_of(egress, "https://api.example.com/v1"), 'r');
    assert_int_equal(way_of(egress, "http://gpu:8000/v1"), 'd');
    tt_egress_free(egress);
}

/* For the nodes' own addresses: everything but metadata services, without a proxy. */
static void open_for_the_operators_own(void **state)
{
    struct tt_egress *egress = tt_egress_new(NULL, 0, NULL);
    const struct sockaddr_in inside = {
        .sin_family = AF_INET, .sin_port = htons(7000), .sin_addr.s_addr = htonl(0x0A000001)};
    const struct sockaddr_in metadata = {
        .sin_family = AF_INET, .sin_port = htons(7000), .sin_addr.s_addr = htonl(0xA9FEA9FE)};
    (void)state;

    assert_int_equal(way_of(egress, "http://10.0.0.1:7000/x"), 'r');
    tt_egress_open(egress);
    assert_int_equal(way_of(egress, "http://10.0.0.1:7000/x"), 'd');
    assert_int_equal(way_of(egress, "http://b.internal:7000/x"), 'd');
    assert_int_equal(way_of(egress, "http://169.254.169.254/x"), 'r');
    assert_int_equal(
        tt_egress_check_address(egress, "b", 7000, (const struct sockaddr *)&inside, NULL), 0);
    assert_int_equal(
        tt_egress_check_address(egress, "b", 7000, (const struct sockaddr *)&metadata, NULL), -1);
    tt_egress_free(egress);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),    cmocka_unit_test(addresses),
        cmocka_unit_test(items),   cmocka_unit_test(odd_sockets),
        cmocka_unit_test(proxied), cmocka_unit_test(open_for_the_operators_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
