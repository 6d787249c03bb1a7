#include "script/runtime.h"

#include "script/timers.h"

void tt_runtime_create(struct tt_runtime *runtime)
{
    tt_timers_create(&runtime->timers);
    tt_resumes_create(&runtime->resumes);
    tt_list_init(&runtime->tasks);
}
