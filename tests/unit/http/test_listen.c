/* Addresses to listen on, unix sockets, probing, who is at the other end, and limits of
 * connections. */
#include "http/http_test.h"

#include <sys/stat.h>

#define H "Host: a\r\n"

static const struct {
    const char *address;
    bool ok;
} addresses[] = {
    {"127.0.0.1:0", true},
    {"localhost:0", true},
    {"*:0", true},
    {":0", true},
    {"[::1]:0", true},
    {"[::]:0", true},
    {"127.0.0.1", false},
    {"127.0.0.1:", false},
    {"127.0.0.1:x", false},
    {"127.0.0.1:65536", false},
    {"[::1]", false},
    {"::1:0", false},
    {"example.com:0", false},
    {"8.8.8.8:0", false},
    {"unix:", false},
    {"unix:/no/such/x", false},
};

static struct tt_http_server *try_server(struct fixture *f, const char *address, struct tt_err *err)
{
    struct tt_http_settings settings = {.address = address};
    struct tt_http_handler handler = {fx_on_head, fx_on_request, fx_on_end, fx_on_refuse, f};
    return tt_http_server_new(f->loop, &settings, &handler, err);
}

static void test_addresses(void **state)
{
    struct fixture f;
    (void)state;
    fx_open(&f);
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct tt_err err = {0};
        struct tt_http_server *server = try_server(&f, addresses[i].address, &err);
        if ((server != NULL) != addresses[i].ok)
            fail_msg("%s: %s", addresses[i].address, err.message);
        if (server)
            assert_true(tt_http_server_port(server) > 0);
        else
            assert_string_equal(err.code, "listen_failed");
        tt_http_server_free(server);
    }
    fx_close(&f);
}

static void test_probe(void **state)
{
    struct fixture f;
    struct tt_err err = {0};
    char address[40];
    (void)state;
    fx_open(&f);
    snprintf(address, sizeof(address), "127.0.0.1:%d", tt_http_server_port(f.server));
    assert_int_equal(tt_http_probe_address(address, &err), -1);
    assert_string_equal(err.code, "address_in_use");
    /* A second worker of ours may. */
    struct tt_http_server *second = try_server(&f, address, &err);
    assert_non_null(second);
    tt_http_server_free(second);
    tt_http_server_free(f.server);
    f.server = NULL;
    assert_int_equal(tt_http_probe_address(address, &err), 0);
    assert_int_equal(tt_http_probe_address("127.0.0.1:0", &err), 0);
    fx_close(&f);
}

static int unix_connect(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

static void ask_unix(struct fixture *f, const char *path)
{
    struct tt_buf in = {0};
    struct response r = {0};
    int fd = unix_connect(path);
    fx_send(fd, "GET /inspect HTTP/1.1\r\n" H
                "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\r\n");
    assert_true(fx_next(f, fd, &in, &r));
    assert_int_equal(r.status, 200);
    close(fd);
    tt_buf_free(&in);
    tt_buf_free(&r.body);
}

static void test_unix(void **state)
{
    struct fixture f;
    struct tt_err err = {0};
    struct stat st;
    char path[100], address[120];
    const struct tt_str unix_proxy = TT_STR("unix");
    (void)state;
    snprintf(path, sizeof(path), "/tmp/tt_test_%d.sock", (int)getpid());
    snprintf(address, sizeof(address), "unix:%s", path);
    unlink(path);
    /* Left from a crash: a bound socket that nobody listens on. */
    struct sockaddr_un stale = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(stale.sun_path, sizeof(stale.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&stale, sizeof(stale)), 0);
    close(fd);

    assert_int_equal(tt_http_probe_address(address, &err), 0);
    fx_open_with(&f, (struct tt_http_settings){.address = address});
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(tt_http_probe_address(address, &err), -1);
    ask_unix(&f, path);
    assert_string_equal(f.note, "q= c= r=unix x= tls=0");
    /* Workers of one process share it; it lives until the last one ends. */
    struct tt_http_server *second = try_server(&f, address, &err);
    assert_non_null(second);
    tt_http_server_free(f.server);
    f.server = NULL;
    ask_unix(&f, path);
    tt_http_server_free(second);
    assert_int_equal(stat(path, &st), -1);
    fx_close(&f);

    fx_open_with(&f, (struct tt_http_settings){.address = address,
                                               .trusted_proxies = &unix_proxy,
                                               .trusted_proxy_count = 1});
    ask_unix(&f, path);
    assert_string_equal(f.note, "q= c= r=1.2.3.4 x= tls=1");
    fx_close(&f);
}

/* No file of somebody else is removed. */
static void test_unix_occupied(void **state)
{
    struct fixture f;
    struct tt_err err = {0};
    struct stat st;
    char path[100], address[120];
    (void)state;
    snprintf(path, sizeof(path), "/tmp/tt_test_%d.txt", (int)getpid());
    snprintf(address, sizeof(address), "unix:%s", path);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    fx_open(&f);
    assert_null(try_server(&f, address, &err));
    assert_string_equal(err.code, "address_in_use");
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
    fx_close(&f);
}

static const struct {
    const char *forwarded, *remote;
} hops[] = {
    {"", "127.0.0.1"},
    {"1.2.3.4", "1.2.3.4"},
    {"9.9.9.9, 1.2.3.4", "1.2.3.4"},
    {"9.9.9.9, 1.2.3.4, 10.1.2.3", "1.2.3.4"},
    {"10.9.9.9,10.1.2.3", "10.9.9.9"},
    {"1.2.3.4:5678", "1.2.3.4"},
    {"2001:db8::1", "2001:db8::1"},
    {"[2001:db8::1]:99", "2001:db8::1"},
    {"fd00::7, 10.0.0.1", "fd00::7"},
    {"::ffff:1.2.3.4", "1.2.3.4"},
    {"1.2.3.4, unknown", "127.0.0.1"},
    {"1.2.3.4, evil, 10.0.0.1", "10.0.0.1"},
    {",", "127.0.0.1"},
    {" 1.2.3.4 ", "1.2.3.4"},
};

static void test_forwarded(void **state)
{
    const struct tt_str proxies[] = {TT_STR("127.0.0.0/8"), TT_STR("10.0.0.0/8"),
                                     TT_STR("fc00::1")};
    struct fixture f;
    (void)state;
    fx_open_with(&f,
                 (struct tt_http_settings){.trusted_proxies = proxies, .trusted_proxy_count = 3});
    for (size_t i = 0; i < sizeof(hops) / sizeof(hops[0]); i++) {
        struct tt_buf in = {0}, out = {0};
        struct response r = {0};
        char note[256];
        int fd = fx_connect(&f);
        tt_buf_printf(&out, "GET /inspect HTTP/1.1\r\n" H "X-Forwarded-For: %s\r\n\r\n",
                      hops[i].forwarded);
        fx_send(fd, out.data);
        assert_true(fx_next(&f, fd, &in, &r));
        snprintf(note, sizeof(note), "q= c= r=%s x= tls=0", hops[i].remote);
        assert_string_equal(f.note, note);
        close(fd);
        tt_buf_free(&in);
        tt_buf_free(&out);
        tt_buf_free(&r.body);
    }
    fx_close(&f);
}

static void test_bad_proxies(void **state)
{
    static const char *const bad[] = {"", "x", "1.2.3.4/33", "1.2.3.4/", "::1/129", "1.2.3/8"};
    struct fixture f;
    (void)state;
    fx_open(&f);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tt_str proxy = tt_str_from(bad[i]);
        struct tt_http_settings settings = {
            .address = "127.0.0.1:0", .trusted_proxies = &proxy, .trusted_proxy_count = 1};
        struct tt_http_handler handler = {fx_on_head, fx_on_request, fx_on_end, fx_on_refuse, &f};
        assert_null(tt_http_server_new(f.loop, &settings, &handler, NULL));
    }
    fx_close(&f);
}

/* How many of them get as far as a handler while all stay connected. */
static int count_served(struct fixture *f, int clients)
{
    static const char request[] = "GET /wait HTTP/1.1\r\n" H "\r\n";
    int served = 0;
    int *fds = calloc((size_t)clients, sizeof(*fds));
    f->watch_gone = f->reply_gone = true;
    for (int i = 0; i < clients; i++) {
        fds[i] = fx_connect(f);
        send(fds[i], request, strlen(request), MSG_NOSIGNAL);
        uint64_t end = fx_ms() + 100;
        int before = f->requests;
        while (f->requests == before && fx_ms() < end)
            tt_loop_tick(f->loop, 1);
        served += f->requests - before;
    }
    for (int i = 0; i < clients; i++)
        close(fds[i]);
    free(fds);
    FX_WAIT(f, f->waiting == NULL);
    FX_WAIT(f, tt_http_server_connections(f->server) == 0);
    return served;
}

static void test_limits(void **state)
{
    const struct tt_str proxy = TT_STR("127.0.0.1");
    struct fixture f;
    (void)state;
    fx_open_with(&f, (struct tt_http_settings){.per_address_max = 3});
    assert_int_equal(count_served(&f, 6), 3);
    assert_int_equal(count_served(&f, 6), 3); /* the count goes down again */
    fx_close(&f);
    fx_open_with(&f, (struct tt_http_settings){.per_address_max = 3,
                                               .trusted_proxies = &proxy,
                                               .trusted_proxy_count = 1});
    assert_int_equal(count_served(&f, 6), 6); /* a proxy is many clients */
    fx_close(&f);
    fx_open_with(&f, (struct tt_http_settings){.connections_max = 4});
    assert_int_equal(count_served(&f, 4), 4);
    fx_close(&f);
}

/* At the limit the longest idle connection makes room; busy ones do not. */
static void test_idle_makes_room(void **state)
{
    struct fixture f;
    int fds[6];
    (void)state;
    fx_open_with(&f, (struct tt_http_settings){.connections_max = 4});
    for (int i = 0; i < 6; i++) {
        struct tt_buf in = {0};
        struct response r = {0};
        fds[i] = fx_connect(&f);
        fx_send(fds[i],
                i == 0 ? "GET /wait HTTP/1.1\r\n" H "\r\n" : "GET /x HTTP/1.1\r\n" H "\r\n");
        if (i == 0)
            FX_WAIT(&f, f.waiting);
        else
            assert_true(fx_next(&f, fds[i], &in, &r));
        tt_buf_free(&in);
        tt_buf_free(&r.body);
    }
    assert_non_null(f.waiting);
    struct tt_buf in = {0};
    assert_int_equal(fx_until_closed(&f, fds[1], &in), 0);
    fx_reply(f.waiting, 200, "late");
    for (int i = 0; i < 6; i++)
        close(fds[i]);
    tt_buf_free(&in);
    fx_turns(&f, 3);
    fx_close(&f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_probe),
        cmocka_unit_test(test_unix),      cmocka_unit_test(test_unix_occupied),
        cmocka_unit_test(test_forwarded), cmocka_unit_test(test_bad_proxies),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_idle_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
