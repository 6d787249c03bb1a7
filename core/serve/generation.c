/* The life of a generation. */
#include "serve/generation.h"

#include "base/map.h"
#include "serve/generation_check.h"
#include "serve/route_schema.h"

#include <stdlib.h>

static void hold(struct tt_vm *vm)
{
    tt_generation_ref(vm->owner);
}

static void release(struct tt_vm *vm)
{
    tt_generation_unref(vm->owner);
}

struct tt_generation *tt_generation_new(struct tt_bundle *bundle, int number,
                                        struct tt_runtime **runtimes, int count,
                                        const struct tt_serve_settings *settings,
                                        struct tt_diagnostics *diagnostics, struct tt_err *err)
{
    struct tt_generation *generation = TT_NEW(struct tt_generation);
    struct tt_err why = {0};
    int failed = 0;

    atomic_init(&generation->references, 1);
    generation->number = number;
    generation->bundle = bundle;
    generation->errors = tt_map_new();
    generation->undeclared = tt_map_new();
    pthread_mutex_init(&generation->undeclared_lock, NULL);
    generation->vms = tt_alloc((size_t)count * sizeof(struct tt_vm *));
    for (int i = 0; i < TT_LISTENERS; i++)
        generation->router[i] = tt_router_new();
    diagnostics->phase = "personas";
    if (tt_bundle_read_personas(bundle, &why) != 0) {
        tt_diagnostics_add(diagnostics, "style.yaml", tt_str_from(why.message));
        failed = -1; /* the mistakes in the scripts are still reported */
    }
    for (int i = 0; i < count; i++) {
        generation->vms[i] = tt_vm_new(bundle, runtimes[i], number, diagnostics, err);
        if (!generation->vms[i])
            goto failed;
        generation->vm_count++;
        generation->vms[i]->owner = generation;
        generation->vms[i]->hold = hold;
        generation->vms[i]->release = release;
    }
    if (tt_generation_check(generation, settings, diagnostics) != 0)
        failed = -1;
    diagnostics->phase = "schemas";
    for (int i = 0; i < count && failed == 0; i++)
        failed =
            tt_vm_call(generation->vms[i], tt_route_compile_schemas, NULL, "app.lua", diagnostics);
    if (failed == 0)
        return generation;
    tt_err_set(err, 422, "script_error", "the scripts do not validate");
failed:
    tt_generation_unref(generation);
    return NULL;
}

struct tt_generation *tt_generation_ref(struct tt_generation *generation)
{
    atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);
    return generation;
}

void tt_generation_unref(struct tt_generation *generation)
{
    if (!generation ||
        atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel) != 1)
        return;
    if (generation->on_unused)
        generation->on_unused(generation);
    else
        tt_generation_free(generation);
}

void tt_generation_free(struct tt_generation *generation)
{
    for (int i = 0; i < generation->vm_count; i++)
        tt_vm_free(generation->vms[i]);
    for (int i = 0; i < TT_LISTENERS; i++)
        tt_router_free(generation->router[i]);
    tt_map_free(generation->errors);
    tt_map_free(generation->undeclared);
    pthread_mutex_destroy(&generation->undeclared_lock);
    tt_bundle_free(generation->bundle);
    tt_arena_destroy(&generation->arena);
    free(generation->vms);
    free(generation);
}

const struct tt_error_text *tt_generation_error(const struct tt_generation *generation,
                                                struct tt_str code)
{
    const struct tt_error_text *text = tt_map_get(generation->errors, code);
    return text ? text : tt_map_get(generation->errors, TT_STR("internal_error"));
}

enum tt_error_shape tt_generation_error_shape(const struct tt_generation *generation,
                                              struct tt_str path)
{
    for (size_t i = 0; i < generation->error_area_count; i++) {
        struct tt_str prefix = generation->error_areas[i].prefix;
        bool root = prefix.len == path.len + 1 && prefix.data[path.len] == '/' &&
                    tt_str_starts(prefix, path); /* "/v1" for "/v1/" */
        if (root || tt_str_starts(path, prefix))
            return generation->error_areas[i].shape;
    }
    return TT_ERROR_OWN;
}
