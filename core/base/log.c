/* The log. A line is built in memory and written by one write(2): O_APPEND files and pipes keep
 * such lines whole without a lock. Text from outside is escaped as JSON in both formats, so nobody
 * can forge a line, and lines are cut at 16 KiB. A full pipe or a closed stderr loses the line,
 * never the process. */
#include "base/log.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

#include <errno.h>
#include <unistd.h>

#define FIELD_MAX 16384

static enum tt_log_level lowest = TT_LOG_INFO;
static enum tt_log_format line_format = TT_LOG_JSON;

static const char *const names_json[] = {"debug", "info", "warn", "error"};
static const char *const names_text[] = {"DEBUG", "INFO", "WARN", "ERROR"};

void tt_log_setup(enum tt_log_level level, enum tt_log_format format)
{
    lowest = level;
    line_format = format;
}

bool tt_log_enabled(enum tt_log_level level)
{
    return level >= lowest;
}

static struct tt_str shorten(struct tt_str s)
{
    if (s.len > FIELD_MAX)
        s.len = tt_utf8_complete(tt_str_of(s.data, FIELD_MAX));
    return s;
}

static void write_value(struct tt_json_writer *w, const struct tt_log_field *field)
{
    switch (field->type) {
    case TT_LOG_STR:
        if (field->str.data)
            tt_json_str(w, shorten(field->str));
        else
            tt_json_null(w);
        break;
    case TT_LOG_INT:
        tt_json_int(w, field->integer);
        break;
    case TT_LOG_NUM:
        tt_json_num(w, field->number);
        break;
    case TT_LOG_BOOL:
        tt_json_bool(w, field->integer != 0);
        break;
    }
}

static void build_json(struct tt_buf *line, const char *time, enum tt_log_level level,
                       const char *message, const struct tt_log_field *fields, size_t count)
{
    struct tt_json_writer w = {.buf = line};
    tt_json_begin_object(&w);
    tt_json_key(&w, TT_STR("time"));
    tt_json_str(&w, tt_str_from(time));
    tt_json_key(&w, TT_STR("level"));
    tt_json_str(&w, tt_str_from(names_json[level]));
    tt_json_key(&w, TT_STR("message"));
    tt_json_str(&w, shorten(tt_str_from(message)));
    for (size_t i = 0; i < count; i++) {
        tt_json_key(&w, tt_str_from(fields[i].key));
        write_value(&w, &fields[i]);
    }
    tt_json_end_object(&w);
}

/* A word is written unquoted; everything else is quoted, so that key=value can be parsed again. */
static bool is_word(struct tt_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F)
            return false;
    }
    return s.len > 0 && tt_utf8_valid(s);
}

static void build_text(struct tt_buf *line, const char *time, enum tt_log_level level,
                       const char *message, const struct tt_log_field *fields, size_t count)
{
    tt_buf_printf(line, "%s %s ", time, names_text[level]);
    tt_json_escape(line, shorten(tt_str_from(message)));
    for (size_t i = 0; i < count; i++) {
        tt_buf_printf(line, " %s=", fields[i].key);
        if (fields[i].type == TT_LOG_STR && is_word(fields[i].str)) {
            tt_buf_append_str(line, shorten(fields[i].str));
        } else {
            struct tt_json_writer w = {.buf = line};
            write_value(&w, &fields[i]);
        }
    }
}

/* stderr may be a non-blocking terminal shared with somebody: what does not fit is dropped. */
static void send_line(struct tt_str line)
{
    while (line.len > 0) {
        ssize_t n = write(STDERR_FILENO, line.data, line.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        line = tt_str_of(line.data + n, line.len - (size_t)n);
    }
}

void tt_log_write(enum tt_log_level level, const char *message, const struct tt_log_field *fields,
                  size_t count)
{
    if (!tt_log_enabled(level))
        return;
    int saved_errno = errno;
    struct tt_buf line = {0};
    char time[TT_RFC3339_SIZE];
    tt_clock_format(tt_clock_wall_us(), time);
    if (line_format == TT_LOG_JSON)
        build_json(&line, time, level, message, fields, count);
    else
        build_text(&line, time, level, message, fields, count);
    tt_buf_putc(&line, '\n');
    send_line(tt_buf_str(&line));
    tt_buf_free(&line);
    errno = saved_errno;
}
