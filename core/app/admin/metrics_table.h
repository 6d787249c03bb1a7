/* Everything that the process counts and shows, in one table: a row is a line of /metrics, a member
 * of /admin/status, or both. metrics.c writes the former, status.c the latter. */
#pragma once
#include "app/admin/process_sample.h"
#include "base/json.h"

struct tt_metric {
    const char *name, *type, *help; /* in /metrics, after "tidetalk_"; name NULL: absent */
    const char *section, *key; /* in /admin/status; section NULL: top level, key NULL: absent */
    /* The number: a member of the process's sample, or of each worker's. */
    bool per_worker;
    size_t offset, size;
    double divide; /* the metric is number / divide, such as 1000 for ms; 0: the number itself */
    /* These write what is not a plain number. */
    void (*put_lines)(const struct tt_process_sample *sample, struct tt_buf *out);
    void (*put_value)(const struct tt_process_sample *sample, struct tt_json_writer *w);
};

extern const struct tt_metric tt_metrics[];
extern const size_t tt_metric_count;

/* A row's number in a sample. */
int64_t tt_metric_number(const struct tt_metric *metric, const void *sample);
