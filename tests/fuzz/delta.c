/* A path, then events, one a line. Any path is accepted or refused; a reader with the fast way for
 * events like the one before and one without it must read the same. */
#include "upstream/delta.h"

#include "base/utf8.h"
#include "fuzz.h"

static bool declare(struct tt_delta_spec *spec, struct tt_str path)
{
    struct tt_err err = {0};
    char text[256];

    if (path.len >= sizeof(text))
        return false;
    memcpy(text, path.data, path.len);
    text[path.len] = '\0';
    return tt_delta_spec_path(spec, false, TT_DELTA_CONTENT, text, &err) == 0;
}

static int read_event(struct tt_delta_reader *reader, struct tt_str event)
{
    struct tt_err err = {0};
    int rc = tt_delta_read(reader, TT_STR(""), event, &err);

    check(tt_utf8_valid(tt_buf_str(&reader->content)));
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tt_str rest = tt_str_of((const char *)data, size), path, event;
    struct tt_delta_spec *spec = tt_delta_spec_new(TT_SSE_EVENTS, "[DONE]");
    struct tt_delta_reader fast = {0}, full = {0};
    int rc = 0;

    if (size > 0 && tt_str_split(&rest, '\n', &path) && declare(spec, path)) {
        tt_delta_create(&fast, spec, false);
        tt_delta_create(&full, spec, false);
        full.shape.off = true;
        while (rc == 0 && tt_str_split(&rest, '\n', &event)) {
            rc = read_event(&fast, event);
            check(read_event(&full, event) == rc);
            check(tt_str_eq(tt_buf_str(&fast.content), tt_buf_str(&full.content)));
        }
        tt_delta_destroy(&fast);
        tt_delta_destroy(&full);
    }
    tt_delta_spec_unref(spec);
    return 0;
}
