#include "chat/learnt_store.h"

#include "base/log.h"
#include "upstream/adapt.h"

/* The version tells everybody who has read the row before. */
static const char sql[] = "UPDATE user_apis SET refused = ?, version = version + 1"
                          " WHERE id = ? AND user_id = ? AND version = ?";

static void warn(const struct tt_err *err)
{
    tt_log(TT_LOG_WARN, "what a service refuses could not be stored", TT_F_Z("code", err->code),
           TT_F_Z("error", err->message));
}

static void stored(struct tt_db_job *job, void *arg)
{
    const struct tt_err *err = tt_db_job_error(job);
    (void)arg;
    if (err)
        warn(err);
}

void tt_learnt_store(struct tt_chat *chat, int64_t user_id, const struct tt_reply_learnt *learnt)
{
    char names[TT_ADAPT_NAMES_SIZE];
    struct tt_err err = {0};

    if (!learnt->configuration || chat->closing)
        return;
    tt_adapt_write(learnt->refused, names);
    const struct tt_db_value values[] = {tt_db_text(tt_str_from(names)),
                                         tt_db_int(learnt->configuration), tt_db_int(user_id),
                                         tt_db_int(learnt->version)};
    struct tt_db_job *job = tt_db_job_new();
    tt_db_job_add(job, tt_str_from(sql), values, TT_COUNT(values), -1);
    if (tt_db_submit(chat->db, chat->loop, job, stored, NULL, &err) != 0) {
        tt_db_job_free(job);
        warn(&err);
    }
}
