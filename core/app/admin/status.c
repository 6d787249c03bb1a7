/* Writes the table's rows that have a key; a section is an object of rows that follow each other.
 */
#include "app/admin/status.h"

#include "app/admin/metrics_table.h"
#include "serve/answer.h"

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void enter_section(struct tt_json_writer *w, const char **open, const char *section)
{
    if (same(*open, section))
        return;
    if (*open)
        tt_json_end_object(w);
    if (section) {
        tt_json_key(w, tt_str_from(section));
        tt_json_begin_object(w);
    }
    *open = section;
}

void tt_status_answer(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_process_sample sample;
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};
    const char *section = NULL;

    tt_process_sample(&sample, dispatcher);
    tt_json_begin_object(&w);
    for (size_t i = 0; i < tt_metric_count; i++) {
        const struct tt_metric *metric = &tt_metrics[i];
        if (!metric->key)
            continue;
        enter_section(&w, &section, metric->section);
        tt_json_key(&w, tt_str_from(metric->key));
        if (metric->put_value)
            metric->put_value(&sample, &w);
        else
            tt_json_int(&w, tt_metric_number(metric, &sample));
    }
    enter_section(&w, &section, NULL);
    tt_json_end_object(&w);
    tt_answer_json(exchange, 200, &body);
}
