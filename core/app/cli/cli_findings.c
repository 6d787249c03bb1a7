#include "app/cli/cli_findings.h"

#include "app/cli/cli_internal.h"

#include <stdio.h>

static void put_text(struct tt_json_writer *w, const char *key, struct tt_str text)
{
    tt_json_key(w, tt_str_from(key));
    tt_json_str(w, text);
}

static void put_number(struct tt_json_writer *w, const char *key, int64_t number)
{
    tt_json_key(w, tt_str_from(key));
    if (number > 0)
        tt_json_int(w, number);
    else
        tt_json_null(w);
}

static void add_json(struct tt_cli_findings *findings, const struct tt_cli_finding *finding)
{
    struct tt_json_writer *w = &findings->w;

    if (!w->buf) {
        w->buf = &findings->out;
        tt_json_begin_array(w);
    }
    tt_json_begin_object(w);
    put_text(w, "file", finding->file);
    put_number(w, "line", finding->line);
    put_number(w, "column", finding->column);
    put_text(w, "severity", tt_str_from(finding->severity));
    put_text(w, "code", tt_str_from(finding->code));
    put_text(w, "message", finding->message);
    tt_json_end_object(w);
}

void tt_cli_findings_add(struct tt_cli_findings *findings, const struct tt_cli_finding *finding)
{
    bool error = strcmp(finding->severity, "error") == 0;

    findings->errors += error;
    findings->warnings += !error;
    if (findings->json) {
        add_json(findings, finding);
        return;
    }
    tt_buf_append_str(&findings->out, finding->file);
    if (finding->line > 0)
        tt_buf_printf(&findings->out, ":%d:%d", finding->line, finding->column);
    tt_buf_printf(&findings->out, ": %s: %.*s (%s)\n", finding->severity,
                  TT_STR_ARG(finding->message), finding->code);
}

int tt_cli_findings_print(struct tt_cli_findings *findings)
{
    if (findings->json && findings->w.buf)
        tt_json_end_array(&findings->w);
    if (findings->json)
        printf("%s\n", findings->out.data ? findings->out.data : "[]");
    else if (findings->out.data)
        fprintf(stderr, "%s", findings->out.data);
    if (!findings->json && findings->errors + findings->warnings > 0)
        fprintf(stderr, "%d error%s, %d warning%s\n", findings->errors, tt_plural(findings->errors),
                findings->warnings, tt_plural(findings->warnings));
    tt_buf_free(&findings->out);
    return findings->errors > 0 ? TT_EXIT_FAILED : TT_EXIT_OK;
}
