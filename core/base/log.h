/* Structured logs on stderr: one JSON object (or one readable line) per event, written with one
 * write(2), so that lines of several threads never mix. In the readable form, a text of several
 * lines (a traceback) may follow its event, indented. Never log prompts, replies, keys or tokens:
 * nothing here can tell them from other text. */
#pragma once
#include "base/str.h"

enum tt_log_level { TT_LOG_DEBUG, TT_LOG_INFO, TT_LOG_WARN, TT_LOG_ERROR };
enum tt_log_format { TT_LOG_JSON, TT_LOG_TEXT };

enum tt_log_type { TT_LOG_STR, TT_LOG_LINES, TT_LOG_INT, TT_LOG_NUM, TT_LOG_BOOL };

struct tt_log_field {
    const char *key;
    enum tt_log_type type;
    struct tt_str str;
    int64_t integer;
    double number;
};

#define TT_F_STR(k, s) ((struct tt_log_field){.key = (k), .type = TT_LOG_STR, .str = (s)})
#define TT_F_Z(k, z)   ((struct tt_log_field){.key = (k), .type = TT_LOG_STR, .str = tt_str_from(z)})
/* A text of lines: the readable form writes them below the event. */
#define TT_F_LINES(k, s) ((struct tt_log_field){.key = (k), .type = TT_LOG_LINES, .str = (s)})
#define TT_F_INT(k, n)   ((struct tt_log_field){.key = (k), .type = TT_LOG_INT, .integer = (n)})
#define TT_F_NUM(k, x)   ((struct tt_log_field){.key = (k), .type = TT_LOG_NUM, .number = (x)})
#define TT_F_BOOL(k, b)  ((struct tt_log_field){.key = (k), .type = TT_LOG_BOOL, .integer = (b)})

/* Set once before threads start. */
void tt_log_setup(enum tt_log_level level, enum tt_log_format format);
bool tt_log_enabled(enum tt_log_level level);

/* What scripts write (tide.log, print) has a level of its own, which tt_log_setup sets too. */
void tt_log_setup_scripts(enum tt_log_level level);
bool tt_log_enabled_for_scripts(enum tt_log_level level);

/* Writes one event: time, level, message, then the fields in order. Thread: any. */
void tt_log_write(enum tt_log_level level, const char *message, const struct tt_log_field *fields,
                  size_t count);
/* The same for what a script writes. */
void tt_log_write_for_script(enum tt_log_level level, const char *message,
                             const struct tt_log_field *fields, size_t count);

#define tt_log(level, message, ...)                                                                \
    do {                                                                                           \
        if (tt_log_enabled(level)) {                                                               \
            const struct tt_log_field tt_fields_[] = {__VA_ARGS__};                                \
            tt_log_write((level), (message), tt_fields_,                                           \
                         sizeof(tt_fields_) / sizeof(struct tt_log_field));                        \
        }                                                                                          \
    } while (0)
