#include "app/admin/admin_profile.h"

#include "app/admin/admin_access.h"
#include "app/admin/audit.h"
#include "script/profile.h"
#include "serve/answer.h"

#define SECONDS_USUAL 10

static void answer(struct tt_http_exchange *exchange, int status)
{
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};

    tt_json_begin_object(&w);
    tt_profile_put(&w);
    tt_json_end_object(&w);
    tt_answer_json(exchange, status, &body);
}

void tt_admin_start_profile(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_str given = tt_http_query_arg(exchange, "seconds");
    uint64_t seconds = SECONDS_USUAL;
    struct tt_err err = {0};

    if (given.data &&
        (tt_str_to_u64(given, &seconds) != 0 || seconds < 1 || seconds > TT_PROFILE_SECONDS_MAX))
        tt_err_set(&err, 400, "invalid_field", "seconds is 1 to %d", TT_PROFILE_SECONDS_MAX);
    else
        tt_profile_start((int)seconds, &err);
    tt_audit_write(dispatcher, &(struct tt_audit_entry){.who = tt_admin_who(dispatcher, exchange),
                                                        .action = TT_STR("POST /admin/profile"),
                                                        .status = err.status ? err.status : 202,
                                                        .code = tt_str_from(err.code)});
    if (err.status)
        tt_answer_error(dispatcher, exchange, &err, NULL, NULL);
    else
        answer(exchange, 202);
}

void tt_admin_profile(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    (void)dispatcher;
    answer(exchange, 200);
}
