/* The steps between the states of an exchange: one that does not exist ends the process, and the
 * server counts the exchanges that the handler knows. */
#include "http/http_internal.h"
#include "unit_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* How a process ends that takes this step: the signal, or 0. */
static int signal_of(enum tt_http_state from, enum tt_http_state to)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct tt_http_server server = {0};
        struct tt_http_exchange exchange = {.server = &server, .state = from};
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(nowhere, STDERR_FILENO); /* the assertion's text */
        signal(SIGABRT, SIG_DFL);     /* cmocka's own is for its tests */
        tt_list_init(&server.exchanges);
        if (tt_exchange_is_known(&exchange))
            tt_list_push_back(&server.exchanges, &exchange.node);
        tt_exchange_move(&exchange, to);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_steps(void **state)
{
    static const struct {
        enum tt_http_state from, to;
        int signal;
    } steps[] = {
        {TT_HTTP_IDLE, TT_HTTP_HEAD, 0},
        {TT_HTTP_HEAD, TT_HTTP_BODY, 0},
        {TT_HTTP_ANSWERED, TT_HTTP_SENDING, 0},
        {TT_HTTP_WRITTEN, TT_HTTP_CUT, 0},
        {TT_HTTP_IDLE, TT_HTTP_BODY, SIGABRT},        /* nobody has seen a head */
        {TT_HTTP_HEAD, TT_HTTP_CUT, SIGABRT},         /* the handler does not know it */
        {TT_HTTP_ANSWERED, TT_HTTP_BODY, SIGABRT},    /* an answer is not taken back */
        {TT_HTTP_SENDING, TT_HTTP_ANSWERED, SIGABRT}, /* and not given twice */
        {TT_HTTP_CUT, TT_HTTP_SENDING, SIGABRT},
        {TT_HTTP_REQUESTED, TT_HTTP_WAITING, SIGABRT}, /* without suspending the library */
        {TT_HTTP_WAITING, TT_HTTP_CUT, SIGABRT},       /* without resuming it */
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(steps); i++)
        if (signal_of(steps[i].from, steps[i].to) != steps[i].signal)
            fail_msg("step %zu: %d", i, signal_of(steps[i].from, steps[i].to));
}

static void test_count(void **state)
{
    struct tt_http_server server = {0};
    struct tt_http_exchange exchange = {.server = &server};
    (void)state;
    tt_list_init(&server.exchanges);
    tt_exchange_move(&exchange, TT_HTTP_HEAD);
    assert_int_equal(server.active, 0);
    tt_exchange_move(&exchange, TT_HTTP_BODY);
    assert_int_equal(server.active, 1);
    assert_false(tt_list_empty(&server.exchanges));
    tt_exchange_cut(&exchange);
    tt_exchange_cut(&exchange); /* a second time is harmless */
    assert_int_equal(server.active, 1);
    tt_exchange_move(&exchange, TT_HTTP_IDLE);
    assert_int_equal(server.active, 0);
    assert_true(tt_list_empty(&server.exchanges));
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
