/* The server as a whole: the lock, up and down, with work left over. */
#include "app/app.h"
#include "app/support.h"
#include "upstream/local_call.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>

static bool head_is_shifted; /* the HTTP library behaves as another version might */

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *connection,
                                                        enum MHD_ConnectionInfoType type, ...)
{
    typedef const union MHD_ConnectionInfo *function(struct MHD_Connection *,
                                                     enum MHD_ConnectionInfoType, ...);
    static _Thread_local union MHD_ConnectionInfo shifted;
    function *real = (function *)dlsym(RTLD_NEXT, "MHD_get_connection_info");
    const union MHD_ConnectionInfo *info = real(connection, type);
    if (!head_is_shifted || type != MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE || !info)
        return info;
    shifted.header_size = info->header_size + 1;
    return &shifted;
}

static void load(struct home *home, const char *listen)
{
    char personas[96], data[96], address[64];

    home_put(home, "style.yaml", "personas:\n  - {name: A, content: a}\n");
    snprintf(personas, sizeof(personas), "--personas=%s/style.yaml", home->dir);
    snprintf(data, sizeof(data), "--data-dir=%s/data/", home->dir);
    snprintf(address, sizeof(address), "--listen=%s", listen);
    if (HOME_LOAD(home, personas, data, address, "--lua-dir=" SOURCE "/lua", "--workers=2",
                  "--migrations-dir=" SOURCE "/migrations") != 0)
        fail_msg("%s", home->err.message);
}

static void start(struct home *home, struct tt_app *app)
{
    if (tt_app_start(app, &home->settings, true, NULL, &home->err) != 0)
        fail_msg("%s", home->err.message);
}

static int ask(struct tt_app *app, const char *path, const char *json, struct tt_buf *body)
{
    char address[64];
    struct tt_err err = {0};

    snprintf(address, sizeof(address), "127.0.0.1:%d", app->port);
    tt_buf_clear(body);
    return tt_local_http(address, json ? "POST" : "GET", path,
                         json ? tt_str_from(json) : (struct tt_str){0}, body, &err);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void the_folder_is_locked(void **state)
{
    struct home *home = *state;
    char own[64];

    load(home, "127.0.0.1:0");
    int fd = tt_app_lock(&home->settings, &home->err);
    assert_true(fd >= 0);
    assert_int_equal(mode_of(home->settings.data_dir), 0700);
    assert_int_equal(mode_of(home->settings.lock_file), 0600);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(tt_app_lock(&home->settings, &home->err), -1);
    assert_string_equal(home->err.code, "data_dir_locked");
    snprintf(own, sizeof(own), "in use by process %d (tidetalk, listening on 127.0.0.1:0)",
             (int)getpid());
    assert_non_null(strstr(home->err.message, own));
    close(fd);
    fd = tt_app_lock(&home->settings, &home->err);
    assert_true(fd >= 0);
    close(fd);
}

static void a_folder_that_cannot_be_is_told(void **state)
{
    struct home *home = *state;

    load(home, "127.0.0.1:0");
    home_put(home, "data", "a file");
    assert_int_equal(tt_app_lock(&home->settings, &home->err), -1);
    assert_string_equal(home->err.code, "data_dir_failed");
}

static void it_comes_up_and_goes_down(void **state)
{
    struct home *home = *state;
    struct tt_app app;
    struct tt_buf body = {0};

    load(home, "127.0.0.1:0");
    for (int i = 0; i < 3; i++) {
        start(home, &app);
        assert_int_equal(app.worker_count, 2);
        assert_int_equal(ask(&app, "/readyz", NULL, &body), 200);
        assert_non_null(strstr(body.data, "\"status\":\"ready\",\"generation\":1"));
        assert_int_equal(ask(&app, "/api/personas/", NULL, &body), 401);
        tt_app_stop(&app, 1000);
    }
    assert_int_equal(mode_of(home->settings.secret_file), 0600);
    tt_buf_free(&body);
}

static void an_unknown_http_library_stops_the_start(void **state)
{
    struct home *home = *state;
    struct tt_app app;

    load(home, "127.0.0.1:0");
    head_is_shifted = true;
    int result = tt_app_start(&app, &home->settings, true, NULL, &home->err);
    head_is_shifted = false;
    assert_int_equal(result, -1);
    assert_string_equal(home->err.code, "http_library_unknown");
    assert_int_not_equal(access(home->settings.lock_file, F_OK), 0);
}

static void a_second_one_names_the_first(void **state)
{
    struct home *home = *state;
    struct tt_app app, second;
    char address[64];

    load(home, "127.0.0.1:0");
    struct tt_settings first = home->settings; /* the home's are read anew below */
    home->loaded = false;
    assert_int_equal(tt_app_start(&app, &first, true, NULL, &home->err), 0);
    assert_int_equal(tt_app_start(&second, &first, true, NULL, &home->err), -1);
    assert_string_equal(home->err.code, "data_dir_locked");

    snprintf(address, sizeof(address), "127.0.0.1:%d", app.port);
    load(home, address);
    assert_int_equal(tt_app_start(&second, &home->settings, true, NULL, &home->err), -1);
    assert_string_equal(home->err.code, "address_in_use");
    assert_non_null(strstr(home->err.message, "(unit_app)"));
    tt_app_stop(&app, 0);
    tt_settings_free(&first);
}

static void what_fails_on_the_way_up_leaves_nothing(void **state)
{
    struct home *home = *state;
    struct tt_app app;

    load(home, "127.0.0.1:0");
    home_put(home, "style.yaml", "personas: []\n");
    assert_int_equal(tt_app_start(&app, &home->settings, true, NULL, &home->err), -1);
    assert_string_equal(home->err.code, "script_error");
    home_put(home, "style.yaml", "personas:\n  - {name: A, content: a}\n");
    chmod(home->settings.secret_file, 0644);
    assert_int_equal(tt_app_start(&app, &home->settings, true, NULL, &home->err), -1);
    assert_string_equal(home->err.code, "secret_file_unsafe");
    chmod(home->settings.secret_file, 0600);
    start(home, &app);
    tt_app_stop(&app, 0);
}

/* Logins wait for the password threads, more than can be answered before the end. */
struct knock {
    struct tt_app *app;
    pthread_t thread;
    atomic_int status; /* 0 = not answered yet, -1 = by nobody */
    struct tt_buf body;
};

static void *knock_thread(void *arg)
{
    struct knock *knock = arg;
    char body[100];
    /* Each a name of their own, or they would be throttled. */
    snprintf(body, sizeof(body), "{\"username\":\"nobody%p\",\"password\":\"secret1\"}", arg);
    atomic_store(&knock->status, ask(knock->app, "/api/login", body, &knock->body));
    return NULL;
}

static int count_answers(struct knock *knocks, size_t count, int status)
{
    int answers = 0;
    for (size_t i = 0; i < count; i++)
        answers += atomic_load(&knocks[i].status) == status;
    return answers;
}

/* Nobody knows the name, or the server ends; or it has ended, and no answer comes, whole or torn.
 */
static void check_answer(struct knock *knock)
{
    int status = atomic_load(&knock->status);
    const char *text = knock->body.len ? knock->body.data : "";

    if (status == 401)
        assert_non_null(strstr(text, "\"code\":\"invalid_credentials\""));
    else if (status == 503)
        assert_non_null(strstr(text, "\"code\":\"shutting_down\""));
    else if (status != -1 || knock->body.len > 0)
        fail_msg("%d %s", status, text);
    tt_buf_free(&knock->body);
}

static void it_goes_down_under_load(void **state)
{
    struct home *home = *state;
    struct tt_app app;
    struct knock knocks[24];

    load(home, "127.0.0.1:0");
    for (int round = 0; round < 3; round++) {
        memset(knocks, 0, sizeof(knocks));
        start(home, &app);
        for (size_t i = 0; i < TT_COUNT(knocks); i++) {
            knocks[i].app = &app;
            pthread_create(&knocks[i].thread, NULL, knock_thread, &knocks[i]);
        }
        while (round == 1 && tt_aux_busy(app.password_aux) == 0)
            usleep(1000); /* the load is there */
        while (round == 2 && count_answers(knocks, TT_COUNT(knocks), 401) == 0)
            usleep(1000); /* and is being answered */
        tt_app_stop(&app, 50);
        for (size_t i = 0; i < TT_COUNT(knocks); i++)
            pthread_join(knocks[i].thread, NULL);
        assert_int_equal(count_answers(knocks, TT_COUNT(knocks), 0), 0);
        assert_true(round < 2 || count_answers(knocks, TT_COUNT(knocks), 401) > 0);
        for (size_t i = 0; i < TT_COUNT(knocks); i++)
            check_answer(&knocks[i]);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(the_folder_is_locked),         HOME_TEST(a_folder_that_cannot_be_is_told),
        HOME_TEST(it_comes_up_and_goes_down),    HOME_TEST(an_unknown_http_library_stops_the_start),
        HOME_TEST(a_second_one_names_the_first), HOME_TEST(what_fails_on_the_way_up_leaves_nothing),
        HOME_TEST(it_goes_down_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
