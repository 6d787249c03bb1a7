/* Texts and lists. */
#include "app/admin/status_values.h"

#include "app/reload/builder.h"
#include "serve/answer.h"
#include "upstream/breaker.h"

#include <stdio.h>

#define LIVE_MAX 16

void tt_status_put_version(const struct tt_process_sample *sample, struct tt_json_writer *w)
{
    (void)sample;
    tt_json_str(w, tt_str_from(TT_VERSION));
}

void tt_status_put_scripts(const struct tt_process_sample *sample, struct tt_json_writer *w)
{
    tt_json_str(w, tt_str_from(sample->generation->bundle->hash));
}

void tt_status_put_generations(const struct tt_process_sample *sample, struct tt_json_writer *w)
{
    struct tt_live_generation live[LIVE_MAX];
    int count = tt_builder_live(sample->parts->builder, live, LIVE_MAX);

    tt_json_begin_array(w);
    for (int i = 0; i < count && i < LIVE_MAX; i++) {
        tt_json_begin_object(w);
        tt_answer_put_int(w, "generation", live[i].number);
        tt_answer_put_int(w, "references", live[i].references);
        tt_json_end_object(w);
    }
    tt_json_end_array(w);
}

void tt_status_put_redis_state(const struct tt_process_sample *sample, struct tt_json_writer *w)
{
    tt_json_str(w, tt_str_from(tt_redis_state_name(sample->cache.redis.state)));
}

void tt_status_put_redis_error(const struct tt_process_sample *sample, struct tt_json_writer *w)
{
    tt_json_str(w, tt_str_from(sample->cache.redis.last_error));
}

static void put_breaker(const struct tt_breaker_status *breaker, void *arg)
{
    struct tt_json_writer *w = arg;
    char key[9];

    snprintf(key, sizeof(key), "%08x", (unsigned)(breaker->key & 0xFFFFFFFFu));
    tt_json_begin_object(w);
    tt_answer_put_str(w, "upstream", breaker->upstream);
    tt_answer_put_str(w, "key", tt_str_from(key));
    tt_answer_put_str(w, "state", tt_str_from(breaker->state));
    tt_answer_put_int(w, "in_flight", breaker->in_flight);
    tt_answer_put_int(w, "failures", breaker->failures);
    tt_answer_put_int(w, "calls", (int64_t)breaker->calls);
    tt_answer_put_int(w, "failed", (int64_t)breaker->failed);
    tt_answer_put_int(w, "refused", (int64_t)breaker->refused);
    tt_answer_put_int(w, "opened", (int64_t)breaker->opened);
    tt_answer_put_int(w, "retry_ms", (int64_t)breaker->retry_ms);
    tt_json_end_object(w);
}

void tt_status_put_breakers(const struct tt_process_sample *sample, struct tt_json_writer *w)
{
    tt_json_begin_array(w);
    tt_breakers_each(sample->parts->breakers, put_breaker, w);
    tt_json_end_array(w);
}
