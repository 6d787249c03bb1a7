/* A reload is answered when every worker serves the new scripts, not before. */
#include "app/app.h"
#include "app/reload/builder_internal.h"
#include "app/support.h"
#include "app/worker.h"
#include "base/clock.h"

#include <poll.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/un.h>

#define WAIT_MS 20000

/* What a worker is given to do on its loop. */
struct errand {
    struct tt_mail mail;
    struct tt_worker *worker; /* NULL: nothing but to come by */
    int generation;           /* that it serves */
    sem_t done;
    sem_t *until; /* it stays there, when not NULL */
};

static void run_errand(struct tt_mail *mail)
{
    struct errand *errand = TT_CONTAINER_OF(mail, struct errand, mail);
    sem_t *until = errand->until;

    if (errand->worker)
        errand->generation = errand->worker->dispatcher.generation->number;
    sem_post(&errand->done); /* without `until` it may be gone from here on */
    if (until)
        sem_wait(until);
}

static void post(struct tt_loop *loop, struct errand *errand)
{
    errand->mail.deliver = run_errand;
    sem_init(&errand->done, 0, 0);
    tt_loop_post(loop, &errand->mail);
}

/* Everything that was posted to the loop before has been done when it returns. */
static int pass_by(struct tt_loop *loop, struct tt_worker *worker)
{
    struct errand errand = {.worker = worker};

    post(loop, &errand);
    sem_wait(&errand.done);
    sem_destroy(&errand.done);
    return errand.generation;
}

static void put_scripts(struct home *home, int version)
{
    char text[1024];

    snprintf(text, sizeof(text),
             "local told = require('tide.shared').dict('told')\n"
             "return {version = %d, routes = {}, handle = function() return {json = {}} end,\n"
             "  export_state = function() told:incr('exported', 1) end,\n"
             "  errors = {internal_error = {status = 500, en = 'e', zh = 'e'}}}\n",
             version);
    home_put(home, "lua/app.lua", text);
}

static int64_t exported(struct tt_app *app)
{
    struct tt_shared_value value = {0};
    if (tt_shared_get(app->shared, &(struct tt_shared_key){TT_STR("told"), TT_STR("exported")},
                      &value))
        tt_cache_value_unref(value.held);
    return value.integer;
}

/* Sends the request and leaves the answer unread. */
static int ask_for_reload(const struct home *home)
{
    static const char request[] = "POST /admin/reload HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Length: 0\r\nConnection: close\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s",
             home->settings.admin_listen + strlen("unix:"));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
    return fd;
}

static bool is_readable(int fd, int wait_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, wait_ms) == 1;
}

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        uint64_t end_ = tt_clock_mono_ms() + WAIT_MS;                                              \
        while (!(condition) && tt_clock_mono_ms() < end_)                                          \
            usleep(1000);                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

/* The last worker is held back between the hand-over and the swap: the writer's lock is taken from
 * outside meanwhile, so that the history's row cannot be written. */
static void a_held_worker_holds_the_answer_back(void **state)
{
    struct home *home = *state;
    struct tt_app app;
    sqlite3 *lock;
    sem_t release;
    char path[200], answer[4096] = "";

    mkdir("lua", 0700);
    put_scripts(home, 1);
    home_put(home, "style.yaml", "personas:\n  - {name: A, content: a}\n");
    if (HOME_LOAD(home, "--personas=style.yaml", "--data-dir=data", "--listen=127.0.0.1:0",
                  "--lua-dir=lua", "--workers=2", "--migrations-dir=" SOURCE "/migrations") != 0 ||
        tt_app_start(&app, &home->settings, true, NULL, &home->err) != 0)
        fail_msg("%s", home->err.message);
    sem_init(&release, 0, 0);
    struct errand hold = {.until = &release};
    struct tt_worker *first = &app.workers[0], *held = &app.workers[1];

    snprintf(path, sizeof(path), "%s/data/tidetalk.db", home->dir);
    assert_int_equal(sqlite3_open(path, &lock), SQLITE_OK);
    sqlite3_busy_timeout(lock, WAIT_MS); /* a start writes a little after it is ready */
    assert_int_equal(sqlite3_exec(lock, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    put_scripts(home, 2);
    int fd = ask_for_reload(home);
    WAIT_FOR(exported(&app) == 2);
    post(held->loop, &hold);
    sem_wait(&hold.done);
    sqlite3_close(lock); /* rolls back */

    WAIT_FOR(pass_by(first->loop, first) == 2);
    /* Whoever would answer too early has done so when these have come by. */
    pass_by(app.builder->loop, NULL);
    for (int i = 0; i < 3; i++)
        pass_by(first->loop, NULL); /* the admin's worker */
    assert_false(is_readable(fd, 0));

    sem_post(&release);
    assert_true(is_readable(fd, WAIT_MS));
    assert_int_equal(pass_by(held->loop, held), 2);
    assert_true(read(fd, answer, sizeof(answer) - 1) > 0);
    assert_non_null(strstr(answer, "HTTP/1.1 200"));
    close(fd);
    tt_app_stop(&app, 1000);
    sem_destroy(&release);
    sem_destroy(&hold.done);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {HOME_TEST(a_held_worker_holds_the_answer_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
