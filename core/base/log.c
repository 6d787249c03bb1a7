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

static enum tt_log_level lowest = TT_LOG_INFO, lowest_of_scripts = TT_LOG_INFO;
static enum tt_log_format line_format = TT_LOG_JSON;

static const char *const names_json[] = {"debug", "info", "warn", "error"};
static const char *const names_text[] = {"DEBUG", "INFO", "WARN", "ERROR"};

void tt_log_setup(enum tt_log_level level, enum tt_log_format format)
{
    lowest = lowest_of_scripts = level;
    line_format = format;
}

bool tt_log_enabled(enum tt_log_level level)
{
    return level >= lowest;
}

void tt_log_setup_scripts(enum tt_log_level level)
{
    lowest_of_scripts = level;
}

bool tt_log_enabled_for_scripts(enum tt_log_level level)
{
    return level >= lowest_of_scripts;
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
    case TT_LOG_LINES:
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

static bool has_lines(const struct tt_log_field *field)
{
    return field->type == TT_LOG_LINES && field->str.data && tt_str_find(field->str, '\n') >= 0;
}

/* Each on a line of its own. They are indented, so none can pass for an event. */
static void append_lines(struct tt_buf *out, struct tt_str text)
{
    struct tt_str one;

    for (text = shorten(text); text.len > 0;) {
        tt_str_split(&text, '\n', &one);
        tt_buf_append_z(out, "\n    ");
        while (one.len > 0 && one.data[0] == '\t') {
            tt_buf_append_z(out, "    ");
            one = tt_str_of(one.data + 1, one.len - 1);
        }
        tt_json_escape(out, one);
    }
}

static void build_text(struct tt_buf *line, const char *time, enum tt_log_level level,
                       const char *message, const struct tt_log_field *fields, size_t count)
{
    tt_buf_printf(line, "%s %s ", time, names_text[level]);
    tt_json_escape(line, shorten(tt_str_from(message)));
    for (size_t i = 0; i < count; i++) {
        if (has_lines(&fields[i]))
            continue;
        tt_buf_printf(line, " %s=", fields[i].key);
        if (fields[i].type <= TT_LOG_LINES && is_word(fields[i].str)) {
            tt_buf_append_str(line, shorten(fields[i].str));
        } else {
            struct tt_json_writer w = {.buf = line};
            write_value(&w, &fields[i]);
        }
    }
    for (size_t i = 0; i < count; i++)
        if (has_lines(&fields[i]))
            append_lines(line, fields[i].str);
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

static void write_event(enum tt_log_level level, const char *message,
                        const struct tt_log_field *fields, size_t count)
{
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

void tt_log_write(enum tt_log_level level, const char *message, const struct tt_log_field *fields,
                  size_t count)
{
    if (tt_log_enabled(level))
        write_event(level, message, fields, count);
}

void tt_log_write_for_script(enum tt_log_level level, const char *message,
                             const struct tt_log_field *fields, size_t count)
{
    if (tt_log_enabled_for_scripts(level))
        write_event(level, message, fields, count);
}
