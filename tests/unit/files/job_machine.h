/* What runs jobs of the file layer: a loop, one aux thread, a store in a folder of its own. */
#pragma once
#include "files/job.h"
#include "support.h"

struct machine {
    struct tt_loop *loop;
    struct tt_aux *aux;
    struct tt_store *store;
    struct tt_buf data;
    char code[64];
    int answers;
};

static inline int set_up(void **state)
{
    struct machine *m = TT_NEW(struct machine);
    if (make_folder(state) != 0)
        return -1;
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    m->loop = tt_loop_new(NULL);
    m->aux = tt_aux_new("test", 1, 4, NULL);
    m->store = open_store();
    *state = m;
    return 0;
}

static inline int tear_down(void **state)
{
    struct machine *m = *state;
    tt_aux_free(m->aux);
    tt_loop_tick(m->loop, 0);
    tt_store_close(m->store);
    tt_loop_free(m->loop);
    tt_buf_free(&m->data);
    free(m);
    return remove_folder(state);
}

static inline void on_done(void *arg, struct tt_buf *data, const struct tt_err *err)
{
    struct machine *m = arg;
    m->answers++;
    snprintf(m->code, sizeof(m->code), "%s", err ? err->code : "");
    tt_buf_free(&m->data);
    m->data = *data;
    *data = (struct tt_buf){0};
}

/* Waits for the next answer: what was read, or an error's code. */
static inline const char *finish(struct machine *m, const struct tt_file_job *job)
{
    assert_non_null(job);
    for (int before = m->answers; m->answers == before;)
        tt_loop_tick(m->loop, 10);
    tt_buf_putc(&m->data, 0);
    return m->code[0] ? m->code : m->data.data;
}
