/* Images of a reply that is given up while they wait to be written. */
#include "chat/image_files.h"
#include "files/support.h"
#include "unit_test.h"

#include <semaphore.h>

struct blocker {
    struct tt_aux_job job;
    sem_t begun;
};

/* Runs until the pool ends. */
static void block(struct tt_aux_job *job)
{
    sem_post(&TT_CONTAINER_OF(job, struct blocker, job)->begun);
    while (!tt_aux_cancelled(job))
        usleep(1000);
}

static void nothing(struct tt_aux_job *job)
{
    (void)job;
}

static void never(void *arg)
{
    (void)arg;
    fail_msg("the images were written");
}

static struct tt_reply *reply_with_image(struct tt_loop *loop)
{
    struct tt_reply *reply = tt_reply_new(loop, 7, 6, 5, NULL);
    assert_non_null(reply);
    tt_reply_add_images(reply, TT_STR("{\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}"));
    tt_reply_produced(reply,
                      &(struct tt_reply_outcome){.status = "complete", .usage = TT_REPLY_NO_USAGE});
    return reply;
}

/* The pool's end drops the job, which belongs to nobody any more. */
static void what_is_given_up_may_be_dropped(void **state)
{
    struct tt_loop *loop = tt_loop_new(NULL);
    struct tt_chat chat = {
        .loop = loop, .store = open_store(), .file_aux = tt_aux_new("t", 1, 4, NULL)};
    struct blocker blocker = {.job = {.run = block, .done = nothing}};
    struct tt_image_room room = {.user_bytes = 1000, .session_files = 10};
    (void)state;

    sem_init(&blocker.begun, 0, 0);
    assert_int_equal(tt_aux_submit(chat.file_aux, loop, &blocker.job, NULL), 0);
    sem_wait(&blocker.begun);
    struct tt_reply *reply = reply_with_image(loop);
    struct tt_image_files *images = tt_image_files_write(&chat, reply, &room, never, NULL);
    assert_non_null(images);
    tt_reply_unref(reply);
    tt_image_files_free(images);
    tt_aux_free(chat.file_aux);
    tt_loop_tick(loop, 0);
    assert_int_equal(tt_reply_count(), 0);
    tt_store_close(chat.store);
    tt_loop_free(loop);
    sem_destroy(&blocker.begun);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_given_up_may_be_dropped, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
