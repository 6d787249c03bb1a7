/* What connections keep: nearly all memory of their requests goes back to the system while they are
 * idle, and all when they are gone. */
#include "http/http_test.h"

#define H           "Host: a\r\n"
#define CONNECTIONS 200
#define NEVER_MS    60000

static size_t resident(void)
{
    unsigned long all = 0, pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%lu %lu", &all, &pages), 2);
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Opens them, and each has a request with a head of 12 KiB. */
static void open_all(struct fixture *f, int *fds)
{
    struct tt_buf head = {0}, in = {0};
    struct response r = {0};
    tt_buf_append_z(&head, "GET /x HTTP/1.1\r\n" H "X: ");
    for (int i = 0; i < 12 * 1024; i++)
        tt_buf_putc(&head, 'x');
    tt_buf_append_z(&head, "\r\n\r\n");
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = fx_connect(f);
        fx_send_n(fds[i], head.data, head.len);
        assert_true(fx_next(f, fds[i], &in, &r));
        assert_int_equal(r.status, 200);
        tt_buf_clear(&in);
    }
    tt_buf_free(&head);
    tt_buf_free(&in);
    tt_buf_free(&r.body);
}

static void close_all(struct fixture *f, int *fds)
{
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    FX_WAIT(f, tt_http_server_connections(f->server) == 0);
}

static void gone_ones_leave_nothing(void **state)
{
    struct fixture f;
    int fds[CONNECTIONS];
    (void)state;
    fx_open_with(&f, (struct tt_http_settings){.head_timeout_ms = NEVER_MS});
    size_t before = resident();
    open_all(&f, fds);
    size_t open = resident();
    assert_true(open - before > CONNECTIONS * (size_t)12 * 1024);
    close_all(&f, fds);
    assert_true(resident() < before + (open - before) / 4);
    fx_close(&f);
}

static void idle_ones_keep_little(void **state)
{
    struct fixture f;
    int fds[CONNECTIONS];
    (void)state;
    fx_open_with(&f, (struct tt_http_settings){.head_timeout_ms = 200});
    size_t before = resident();
    open_all(&f, fds);
    /* Open ones take 64 KiB; sanitizers keep some of it. */
    FX_WAIT(&f, resident() < before + CONNECTIONS * (size_t)32 * 1024);
    assert_int_equal(tt_http_server_connections(f.server), CONNECTIONS);
    close_all(&f, fds);
    fx_close(&f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gone_ones_leave_nothing),
        cmocka_unit_test(idle_ones_keep_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
