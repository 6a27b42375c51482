/* The kernels of these tests: which one says KERNEL. */
#include "records.h"

#define TENSOR(i) ((tensor *)(uintptr_t)args[i])
#define FLOATS(i) ((float *)(uintptr_t)TENSOR(i)->addr + TENSOR(i)->start)

void kernel_entry(int64_t *args) {
#if KERNEL == 0
    for (uint32_t i = 0; i < TENSOR(0)->shape[0]; i++) FLOATS(2)[i] = FLOATS(0)[i] + FLOATS(1)[i];
#elif KERNEL == 1
    float value;
    memcpy(&value, &args[2], 4);
    for (uint32_t i = 0; i < TENSOR(0)->shape[0]; i++) FLOATS(1)[i] = FLOATS(0)[i] + value;
#elif KERNEL == 2
    for (uint32_t i = 0; i < TENSOR(0)->shape[0]; i++) FLOATS(2)[i] = FLOATS(0)[i] * FLOATS(1)[i];
#elif KERNEL == 3
    uint32_t *words = (uint32_t *)(uintptr_t)TENSOR(0)->addr;
    __atomic_fetch_add(&words[0], 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&words[1], __ATOMIC_ACQUIRE)) {}
#elif KERNEL == 5
    local_context *local = (local_context *)(uintptr_t)args[48];
    if (args[1] == 101) {
        local->entries[0] = (completion){.addr = 0, .expected = 1, .kind = 99};
        *local->count = 1;
    } else if (args[1] == 104) {
        static uint32_t never;
        local->entries[0] = (completion){.addr = (uint64_t)(uintptr_t)&never, .expected = 1, .kind = 0};
        *local->count = 1;
    } else {
        *local->error = (int32_t)args[1];
    }
#else
    (void)args;
#endif
}
