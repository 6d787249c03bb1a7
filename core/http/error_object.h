/* The error objects that clients get: the API's own, and those that clients of OpenAI's and of
 * Anthropic's API expect. They are written only here. */
#pragma once
#include "base/json.h"

struct tt_http_error {
    struct tt_str message; /* for people, in their language */
    struct tt_str code;
    struct tt_str request_id;
    struct tt_str detail; /* for developers; data == NULL: omitted */
};

/* Appends the members `error`, `code`, `request_id` and `detail` to the object that is open in the
 * writer. */
void tt_http_error_put(struct tt_json_writer *w, const struct tt_http_error *error);

struct tt_http_error_openai {
    struct tt_str message;
    struct tt_str param; /* data == NULL: null */
    struct tt_str code;
    int status; /* selects the type */
};

/* Appends the object that OpenAI's answers and streams have under the key `error`.
 * https://platform.openai.com/docs/guides/error-codes */
void tt_http_error_put_openai(struct tt_json_writer *w, const struct tt_http_error_openai *error);

struct tt_http_error_anthropic {
    struct tt_str message;
    struct tt_str code;
    int status;               /* selects the type, with the code */
    struct tt_str request_id; /* data == NULL: omitted */
    struct tt_str detail;     /* data == NULL: omitted */
};

/* Appends the whole object of Anthropic's answers and streams. `code` and `detail` are ours.
 * https://platform.claude.com/docs/en/api/errors */
void tt_http_error_put_anthropic(struct tt_json_writer *w,
                                 const struct tt_http_error_anthropic *error);
