/* Uploads and jobs from a loop: bytes in order, the answers, a full pool, an owner who leaves at
 * any moment, a pool that ends. */
#include "files/job.h"
#include "files/upload.h"
#include "support.h"

#include <pthread.h>
#include <semaphore.h>

struct test {
    struct tt_loop *loop;
    struct tt_aux *aux;
    struct tt_store *store;
    int drained, committed, failed;
    struct tt_err err;
    struct tt_upload *free_in_callback;
    struct tt_buf data;
};

static int setup(void **state)
{
    struct test *test = TT_NEW(struct test);
    if (make_folder(NULL) != 0)
        return -1;
    test->loop = tt_loop_new(NULL);
    test->aux = tt_aux_new("files", 1, 4, NULL);
    test->store = open_store();
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct test *test = *state;
    tt_aux_free(test->aux);
    tt_loop_free(test->loop);
    tt_store_close(test->store);
    tt_buf_free(&test->data);
    free(test);
    return remove_folder(NULL);
}

static void on_drained(void *arg)
{
    struct test *test = arg;
    test->drained++;
    tt_upload_free(test->free_in_callback);
    test->free_in_callback = NULL;
}

static void on_committed(void *arg, const struct tt_err *err)
{
    struct test *test = arg;
    test->committed += err == NULL;
    test->failed += err != NULL;
    if (err)
        test->err = *err;
    tt_upload_free(test->free_in_callback);
    test->free_in_callback = NULL;
}

static struct tt_upload *begin(struct test *test, uint64_t max)
{
    const struct tt_upload_handler handler = {on_drained, on_committed, test};
    return tt_upload_new(test->store, test->aux, test->loop, 0, max, &handler);
}

static void on_done(void *arg, struct tt_buf *data, const struct tt_err *err)
{
    struct test *test = arg;
    test->committed += err == NULL;
    test->failed += err != NULL;
    if (err)
        test->err = *err;
    tt_buf_free(&test->data);
    tt_buf_append_str(&test->data, tt_buf_str(data));
}

static struct tt_file_job *start_text(struct test *test, struct tt_str key, struct tt_err *err)
{
    return tt_file_text_start(test->aux, test->loop, 0, test->store, key, TT_STR(".txt"), NULL,
                              on_done, test, err);
}

/* Turns until an answer more than before is there. */
static void wait_answer(struct test *test)
{
    int before = test->committed + test->failed;
    for (int i = 0; i < 2000 && test->committed + test->failed == before; i++)
        tt_loop_tick(test->loop, 10);
    assert_int_equal(test->committed + test->failed, before + 1);
}

static void turn_until_files(struct test *test, size_t count)
{
    for (int i = 0; i < 500 && count_files() != count; i++)
        tt_loop_tick(test->loop, 10);
    assert_int_equal(count_files(), count);
    for (int i = 0; i < 5; i++) /* what else may come */
        tt_loop_tick(test->loop, 5);
    assert_int_equal(count_files(), count);
}

static void writes_in_order(void **state)
{
    struct test *test = *state;
    struct tt_buf want = {0};
    struct tt_err err = {0};
    struct tt_upload *upload = begin(test, 1 << 20);
    for (int i = 0; i < 10000; i++) {
        char line[32];
        int n = snprintf(line, sizeof(line), "line %d\n", i);
        tt_buf_append(&want, line, (size_t)n);
        assert_int_equal(tt_upload_append(upload, tt_str_of(line, (size_t)n), NULL), 0);
        if (i % 100 == 0)
            tt_loop_tick(test->loop, 0);
    }
    assert_true(tt_upload_pending(upload) <= want.len);
    assert_int_equal(tt_upload_size(upload), want.len);
    assert_string_equal(tt_upload_key(upload), "");
    assert_int_equal(tt_upload_commit(upload, NULL), 0);
    assert_int_equal(tt_upload_commit(upload, &err), -1);
    assert_int_equal(tt_upload_append(upload, TT_STR("late"), &err), -1);
    wait_answer(test);
    assert_int_equal(test->committed, 1);
    assert_int_equal(tt_upload_pending(upload), 0);
    struct tt_str key = tt_str_from(tt_upload_key(upload));
    assert_non_null(start_text(test, key, NULL));
    wait_answer(test);
    assert_true(tt_str_eq(tt_buf_str(&test->data), tt_buf_str(&want)));
    tt_upload_free(upload); /* the file stays */
    turn_until_files(test, 1);
    tt_buf_free(&want);
}

static void drains(void **state)
{
    struct test *test = *state;
    struct tt_upload *upload = begin(test, 100);
    assert_int_equal(tt_upload_append(upload, TT_STR("x"), NULL), 0);
    assert_int_equal(tt_upload_pending(upload), 1);
    assert_int_equal(test->drained, 0);
    while (test->drained == 0)
        tt_loop_tick(test->loop, 10);
    assert_int_equal(tt_upload_pending(upload), 0);
    test->free_in_callback = upload;
    assert_int_equal(tt_upload_append(upload, TT_STR("y"), NULL), 0);
    turn_until_files(test, 0);
    assert_int_equal(test->drained, 2);
}

static void takes_an_empty_file(void **state)
{
    struct test *test = *state;
    struct tt_upload *upload = begin(test, 0);
    struct tt_err err = {0};
    assert_int_equal(tt_upload_append(upload, TT_STR(""), NULL), 0);
    assert_int_equal(tt_upload_append(upload, TT_STR("x"), &err), -1);
    assert_string_equal(err.code, "file_too_large");
    test->free_in_callback = upload;
    assert_int_equal(tt_upload_commit(upload, NULL), 0);
    wait_answer(test);
    turn_until_files(test, 1);
}

static void refuses_what_is_too_large(void **state)
{
    struct test *test = *state;
    struct tt_err err = {0};
    struct tt_upload *upload = begin(test, 4);
    assert_int_equal(tt_upload_append(upload, TT_STR("1234"), NULL), 0);
    assert_int_equal(tt_upload_append(upload, TT_STR("5"), &err), -1);
    assert_string_equal(err.code, "file_too_large");
    assert_int_equal(tt_upload_size(upload), 4);
    tt_upload_free(upload);
    turn_until_files(test, 0);
    assert_int_equal(test->drained + test->committed + test->failed, 0);
}

static void tells_of_a_failed_write(void **state)
{
    struct test *test = *state;
    struct tt_err err = {0};
    char path[100];
    /* where files have the names of its folders the store can make no file */
    for (int i = 0; i < 256; i++) {
        snprintf(path, sizeof(path), "%s/files/%02x", folder, (unsigned)i);
        write_text_file(path, "");
    }
    struct tt_upload *upload = begin(test, 100);
    assert_int_equal(tt_upload_append(upload, TT_STR("x"), NULL), 0);
    while (test->drained == 0)
        tt_loop_tick(test->loop, 10);
    assert_int_equal(tt_upload_append(upload, TT_STR("y"), &err), -1);
    assert_string_equal(err.code, "store_failed");
    assert_int_equal(tt_upload_commit(upload, &err), -1);
    tt_upload_free(upload);
    upload = begin(test, 100);
    assert_int_equal(tt_upload_commit(upload, NULL), 0);
    test->free_in_callback = upload;
    wait_answer(test);
    assert_int_equal(test->failed, 1);
    assert_string_equal(test->err.code, "store_failed");
}

/* The owner leaves after `turns` turns, before and after the commit. */
static void an_owner_may_leave_at_any_time(void **state)
{
    struct test *test = *state;
    for (int commit = 0; commit < 2; commit++) {
        for (int turns = 0; turns < 12; turns++) {
            struct tt_upload *upload = begin(test, 100);
            assert_int_equal(tt_upload_append(upload, TT_STR("x"), NULL), 0);
            int before = test->committed;
            if (commit)
                assert_int_equal(tt_upload_commit(upload, NULL), 0);
            for (int i = 0; i < turns && test->committed == before; i++)
                tt_loop_tick(test->loop, i % 2);
            bool told = test->committed > before;
            char key[TT_STORE_KEY_SIZE];
            strcpy(key, tt_upload_key(upload));
            tt_upload_free(upload);
            turn_until_files(test, told ? 1 : 0);
            if (told)
                assert_int_equal(tt_store_remove(test->store, tt_str_from(key), NULL), 0);
        }
    }
    tt_upload_free(NULL);
    tt_upload_free(begin(test, 1));
}

/* ---- a pool that is full ---- */

struct blocker {
    struct tt_aux_job job;
    sem_t *gate;
};

static void block_run(struct tt_aux_job *job)
{
    struct blocker *blocker = TT_CONTAINER_OF(job, struct blocker, job);
    sem_wait(blocker->gate);
}

static void block_done(struct tt_aux_job *job)
{
    free(TT_CONTAINER_OF(job, struct blocker, job));
}

/* Fills thread and queue with jobs that wait for the gate. Returns their number. */
static int fill_pool(struct test *test, sem_t *gate)
{
    for (int count = 0;; count++) {
        struct blocker *blocker = TT_NEW(struct blocker);
        blocker->job.run = block_run;
        blocker->job.done = blocker->job.drop = block_done;
        blocker->gate = gate;
        if (tt_aux_submit(test->aux, test->loop, &blocker->job, NULL) != 0) {
            free(blocker);
            return count;
        }
    }
}

static void waits_for_a_full_pool(void **state)
{
    struct test *test = *state;
    sem_t gate;
    struct tt_err err = {0};
    sem_init(&gate, 0, 0);
    int blockers = fill_pool(test, &gate);
    struct tt_upload *upload = begin(test, 100), *leaver = begin(test, 100);
    assert_int_equal(tt_upload_append(upload, TT_STR("one "), NULL), 0);
    assert_int_equal(tt_upload_append(leaver, TT_STR("x"), NULL), 0);
    assert_null(start_text(test, TT_STR("x"), &err));
    assert_string_equal(err.code, "busy");
    for (int i = 0; i < 5; i++)
        tt_loop_tick(test->loop, 10);
    assert_int_equal(tt_upload_append(upload, TT_STR("two"), NULL), 0);
    assert_int_equal(tt_upload_commit(upload, NULL), 0);
    tt_upload_free(leaver); /* between two tries */
    for (int i = 0; i < blockers; i++)
        sem_post(&gate);
    wait_answer(test);
    assert_int_equal(test->committed, 1);
    struct tt_str key = tt_str_from(tt_upload_key(upload));
    start_text(test, key, NULL);
    wait_answer(test);
    assert_text_equal(tt_buf_str(&test->data), TT_STR("one two"));
    tt_upload_free(upload);
    turn_until_files(test, 1);
    sem_destroy(&gate);
}

static void leaves_with_its_file_open_and_the_pool_full(void **state)
{
    struct test *test = *state;
    sem_t gate;
    sem_init(&gate, 0, 0);
    struct tt_upload *upload = begin(test, 100);
    assert_int_equal(tt_upload_append(upload, TT_STR("x"), NULL), 0);
    while (test->drained == 0)
        tt_loop_tick(test->loop, 10);
    int blockers = fill_pool(test, &gate);
    tt_upload_free(upload);
    for (int i = 0; i < 5; i++)
        tt_loop_tick(test->loop, 10);
    assert_int_equal(count_files(), 1);
    for (int i = 0; i < blockers; i++)
        sem_post(&gate);
    turn_until_files(test, 0);
    sem_destroy(&gate);
}

/* Jobs that wait when the pool ends: of a live upload, of one whose owner has left, of none. */
/* When the pool is closing by now: what waits behind the blocker is dropped, and does not run. */
static void *open_gate_late(void *gate)
{
    sleep(1);
    sem_post(gate);
    return NULL;
}

static void survives_the_end_of_the_pool(void **state)
{
    struct test *test = *state;
    pthread_t opener;
    sem_t gate;
    struct tt_err err = {0};
    sem_init(&gate, 0, 0);
    struct tt_upload *live = begin(test, 100), *left = begin(test, 100);
    tt_upload_append(live, TT_STR("x"), NULL);
    tt_upload_append(left, TT_STR("x"), NULL);
    while (test->drained < 2)
        tt_loop_tick(test->loop, 10);
    struct blocker *blocker = TT_NEW(struct blocker);
    blocker->job.run = block_run;
    blocker->job.done = blocker->job.drop = block_done;
    blocker->gate = &gate;
    assert_int_equal(tt_aux_submit(test->aux, test->loop, &blocker->job, NULL), 0);
    tt_upload_append(live, TT_STR("y"), NULL);
    tt_upload_append(left, TT_STR("y"), NULL);
    tt_upload_free(left);
    start_text(test, TT_STR("x"), NULL);
    assert_int_equal(pthread_create(&opener, NULL, open_gate_late, &gate), 0);
    tt_aux_free(test->aux);
    pthread_join(opener, NULL);
    test->aux = NULL;
    tt_loop_tick(test->loop, 0); /* the answers of what did run */
    if (tt_upload_append(live, TT_STR("z"), &err) != 0)
        assert_string_equal(err.code, "busy");
    tt_upload_free(live);
    sem_destroy(&gate);
}

/* ---- jobs ---- */

static void put_file(struct test *test, struct tt_str bytes, char key[TT_STORE_KEY_SIZE])
{
    struct tt_store_file *file = tt_store_create(test->store, 1 << 20, NULL);
    assert_int_equal(tt_store_append(file, bytes, NULL), 0);
    strcpy(key, tt_store_file_key(file));
    assert_int_equal(tt_store_commit(file, NULL), 0);
}

static void reads_texts_and_removes(void **state)
{
    struct test *test = *state;
    char keys[3][TT_STORE_KEY_SIZE];
    put_file(test, TT_STR("\xD6\xD0\xCE\xC4"), keys[0]);
    put_file(test, TT_STR("b"), keys[1]);
    put_file(test, TT_STR("\0binary"), keys[2]);
    const struct tt_str all[] = {tt_str_from(keys[0]), TT_STR("../../etc/passwd"),
                                 tt_str_from(keys[1]), tt_str_from(keys[2])};
    const struct tt_extract_limits limits = {.pdftotext = "/nowhere"};
    tt_file_text_start(test->aux, test->loop, 0, test->store, all[0], TT_STR(".txt"), &limits,
                       on_done, test, NULL);
    wait_answer(test);
    assert_text_equal(tt_buf_str(&test->data), TT_STR("中文"));
    tt_file_text_start(test->aux, test->loop, 0, test->store, all[3], TT_STR(".txt"), NULL, on_done,
                       test, NULL);
    wait_answer(test);
    assert_string_equal(test->err.code, "unsupported_encoding");
    tt_file_image_start(test->aux, test->loop, 0, test->store, all[3], 6, on_done, test, NULL);
    wait_answer(test);
    assert_string_equal(test->err.code, "file_too_large");
    tt_file_text_start(test->aux, test->loop, 0, test->store, all[1], TT_STR("pdf"), NULL, on_done,
                       test, NULL);
    wait_answer(test);
    assert_string_equal(test->err.code, "file_missing");
    /* one that cannot be removed does not keep the others */
    tt_file_remove_start(test->aux, test->loop, test->store, all, 4, on_done, test, NULL);
    wait_answer(test);
    assert_int_equal(test->failed, 4);
    assert_int_equal(count_files(), 0);
    put_file(test, TT_STR("c"), keys[0]);
    tt_file_remove_start(test->aux, test->loop, test->store, all, 1, NULL, NULL, NULL);
    turn_until_files(test, 0);
}

static void a_cancelled_job_is_silent(void **state)
{
    struct test *test = *state;
    char key[TT_STORE_KEY_SIZE], program[128];
    put_file(test, TT_STR("x"), key);
    struct tt_file_job *job = start_text(test, tt_str_from(key), NULL);
    tt_file_job_cancel(job);
    /* an extraction that would take for ever: the child is killed */
    snprintf(program, sizeof(program), "%s/slow", folder);
    int fd = open(program, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
    assert_int_equal(write(fd, "#!/bin/sh\nexec sleep 100\n", 25), 25);
    close(fd);
    const struct tt_extract_limits limits = {.pdftotext = program};
    job = tt_file_text_start(test->aux, test->loop, 0, test->store, tt_str_from(key), TT_STR("pdf"),
                             &limits, on_done, test, NULL);
    for (int i = 0; i < 20; i++)
        tt_loop_tick(test->loop, 10);
    tt_file_job_cancel(job);
    start_text(test, tt_str_from(key), NULL); /* behind it on the same thread */
    wait_answer(test);
    assert_int_equal(test->committed, 1);
    assert_int_equal(test->failed, 0);
}

#define UPLOAD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        UPLOAD_TEST(writes_in_order),
        UPLOAD_TEST(drains),
        UPLOAD_TEST(takes_an_empty_file),
        UPLOAD_TEST(refuses_what_is_too_large),
        UPLOAD_TEST(tells_of_a_failed_write),
        UPLOAD_TEST(an_owner_may_leave_at_any_time),
        UPLOAD_TEST(waits_for_a_full_pool),
        UPLOAD_TEST(leaves_with_its_file_open_and_the_pool_full),
        UPLOAD_TEST(survives_the_end_of_the_pool),
        UPLOAD_TEST(reads_texts_and_removes),
        UPLOAD_TEST(a_cancelled_job_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
