/* What everyone asks of a state that is there; vm_build.c makes it and ends it. */
#include "script/vm.h"

void tt_vm_hold(struct tt_vm *vm)
{
    if (vm->hold)
        vm->hold(vm);
}

void tt_vm_release(struct tt_vm *vm)
{
    if (vm->release)
        vm->release(vm);
}

struct tt_vm *tt_vm_of(lua_State *L)
{
    void *ud;
    lua_getallocf(L, &ud);
    return TT_CONTAINER_OF(ud, struct tt_vm, allocator);
}

const char *tt_vm_library_version(void)
{
    return LUA_RELEASE;
}
