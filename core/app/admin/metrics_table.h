/* All that the process counts and shows, in one table: a row is a line of /metrics, a member of
 * /admin/status, or both. metrics.c writes the one from it, status.c the other. */
#pragma once
#include "app/admin/process_sample.h"
#include "base/json.h"

struct tt_metric {
    const char *name, *type, *help; /* in /metrics, behind "tidetalk_"; name NULL: not there */
    const char *section, *key;      /* in /admin/status; section NULL: at the top, key NULL: not */
    /* The number: a member of the process's sample, or of each worker's. */
    bool per_worker;
    size_t offset, size;
    double divide; /* the metric is number / divide, such as 1000 for ms; 0: the number itself */
    /* What is no plain number is written by these instead. */
    void (*put_lines)(const struct tt_process_sample *sample, struct tt_buf *out);
    void (*put_value)(const struct tt_process_sample *sample, struct tt_json_writer *w);
};

extern const struct tt_metric tt_metrics[];
extern const size_t tt_metric_count;

/* A row's number in a sample. */
int64_t tt_metric_number(const struct tt_metric *metric, const void *sample);
