/* The values of /admin/status that are not plain numbers. For the table. */
#pragma once
#include "app/admin/process_sample.h"
#include "base/json.h"

void tt_status_put_version(const struct tt_process_sample *sample, struct tt_json_writer *w);
void tt_status_put_scripts(const struct tt_process_sample *sample, struct tt_json_writer *w);
void tt_status_put_generations(const struct tt_process_sample *sample, struct tt_json_writer *w);
void tt_status_put_redis_state(const struct tt_process_sample *sample, struct tt_json_writer *w);
void tt_status_put_redis_error(const struct tt_process_sample *sample, struct tt_json_writer *w);
void tt_status_put_breakers(const struct tt_process_sample *sample, struct tt_json_writer *w);
