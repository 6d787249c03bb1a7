/* For targets in Lua: one function of scripts, with the whole rig of the unit tests, called with
 * each input. The script has the input by config.get("input"), and returns true. */
#pragma once
#include "fuzz.h"
#include "script/support.h"

static struct rig *script_rig;
static struct tt_str script_input;

static int script_setting(const char *key, struct tt_tide_setting *out, void *arg)
{
    (void)arg;
    if (strcmp(key, "input") != 0)
        return rig_setting(key, out, NULL);
    *out = (struct tt_tide_setting){.type = TT_SETTING_STRING, .text = script_input};
    return 0;
}

static void script_stop(void)
{
    rig_free(script_rig);
}

static int script_run(const char *body, const uint8_t *data, size_t size)
{
    script_input = tt_str_of(size > 0 ? (const char *)data : "", size);
    if (!script_rig) {
        script_rig = rig_new();
        script_rig->tide.setting = script_setting;
        rig_load_body(script_rig, body);
        atexit(script_stop);
    }
    rig_start(script_rig);
    for (int i = 0; i < 1000 && !script_rig->ended; i++)
        tt_loop_tick(script_rig->loop, 1);
    if (strcmp(script_rig->result, "true") != 0) {
        fprintf(stderr, "%s\n", script_rig->result);
        abort();
    }
    return 0;
}
