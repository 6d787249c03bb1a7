/* Filling struct tt_err. Texts that do not fit are cut at a character boundary, so that the cut
 * itself never creates invalid UTF-8. The arguments are not checked: the log does that. */
#include "base/err.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

static void cut_cleanly(char *text)
{
    text[tt_utf8_complete(tt_str_from(text))] = '\0';
}

int tt_err_set(struct tt_err *err, int status, const char *code, const char *format, ...)
{
    if (!err)
        return -1;
    va_list args;
    va_start(args, format);
    err->status = status;
    /* The arguments may point into err itself: the message first, the code after it. */
    char message[sizeof(err->message)];
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    cut_cleanly(message);
    char name[sizeof(err->code)];
    snprintf(name, sizeof(name), "%s", code);
    memcpy(err->message, message, sizeof(message));
    memcpy(err->code, name, sizeof(name));
    return -1;
}

int tt_err_wrap(struct tt_err *err, const char *format, ...)
{
    if (!err)
        return -1;
    char message[sizeof(err->message)];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (n < 0)
        return -1;
    size_t used = (size_t)n < sizeof(message) ? (size_t)n : sizeof(message) - 1;
    const char *parts[] = {": ", err->message};
    for (size_t i = 0; i < 2; i++)
        for (const char *p = parts[i]; *p && used < sizeof(message) - 1; p++)
            message[used++] = *p;
    message[used] = '\0';
    cut_cleanly(message);
    memcpy(err->message, message, sizeof(message));
    return -1;
}
