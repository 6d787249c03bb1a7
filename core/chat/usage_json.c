/* Tokens that were neither reported nor estimated are left out; so are normal values: one attempt,
 * charged once. */
#include "chat/usage_json.h"

int tt_usage_members(const struct tt_reply_outcome *outcome,
                     struct tt_usage_member members[TT_USAGE_MEMBERS_MAX])
{
    const struct tt_reply_usage *usage = &outcome->usage;
    int count = 0;

    if (usage->input_tokens < 0 && usage->output_tokens < 0 && outcome->attempts < 2 &&
        outcome->images_left_out == 0)
        return 0;
    if (usage->input_tokens >= 0)
        members[count++] = (struct tt_usage_member){"input_tokens", false, usage->input_tokens};
    if (usage->output_tokens >= 0)
        members[count++] = (struct tt_usage_member){"output_tokens", false, usage->output_tokens};
    if (usage->cached_tokens > 0)
        members[count++] = (struct tt_usage_member){"cached_tokens", false, usage->cached_tokens};
    if (usage->reasoning_tokens > 0)
        members[count++] =
            (struct tt_usage_member){"reasoning_tokens", false, usage->reasoning_tokens};
    if (outcome->usage_estimated)
        members[count++] = (struct tt_usage_member){"estimated", true, 1};
    if (outcome->attempts > 1)
        members[count++] = (struct tt_usage_member){"attempts", false, outcome->attempts};
    if (outcome->charged_twice)
        members[count++] = (struct tt_usage_member){"possibly_charged_twice", true, 1};
    if (outcome->images_left_out > 0)
        members[count++] =
            (struct tt_usage_member){"images_left_out", false, outcome->images_left_out};
    return count;
}

bool tt_usage_put_json(struct tt_json_writer *w, const struct tt_reply_outcome *outcome)
{
    struct tt_usage_member members[TT_USAGE_MEMBERS_MAX];
    int count = tt_usage_members(outcome, members);

    if (count == 0)
        return false;
    tt_json_begin_object(w);
    for (int i = 0; i < count; i++) {
        tt_json_key(w, tt_str_from(members[i].name));
        if (members[i].is_flag)
            tt_json_bool(w, true);
        else
            tt_json_int(w, members[i].number);
    }
    tt_json_end_object(w);
    return true;
}
