/* A kernel of a rank: it puts its numbers into its window, tells all ranks, waits for theirs, and adds them up. It also asks
 * by name which core it is on, as kernels do that are not given their hooks. */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "records.h"

/* A rank's window: who has come how far, and from the second page on its numbers. */
#define WINDOW(context, rank) ((uint8_t *)(uintptr_t)(context)->windows_in[rank])
#define COME(context, rank) ((uint64_t *)WINDOW(context, rank))
#define NUMBERS(context, rank) ((float *)(WINDOW(context, rank) + 4096))

/* Tells each rank that this one has come to `step`, and waits until all have. */
static void come(const CommContext *context, uint64_t step) {
    for (uint32_t rank = 0; rank < context->ranks; rank++)
        __atomic_store_n(&COME(context, rank)[context->rank], step, __ATOMIC_RELEASE);
    for (uint32_t rank = 0; rank < context->ranks; rank++)
        while (__atomic_load_n(&COME(context, context->rank)[rank], __ATOMIC_ACQUIRE) < step) {
        }
}

void kernel_entry(int64_t *args) {
    const Tensor *in = (const Tensor *)args[0], *out = (const Tensor *)args[1];
    const CommContext *context = (const CommContext *)args[2];
    const uint64_t round = (uint64_t)args[3];
    const float *from = (const float *)(uintptr_t)in->addr + in->start;
    float *to = (float *)(uintptr_t)out->addr + out->start;
    const uint32_t count = in->shape[0];

    for (uint32_t i = 0; i < count; i++) NUMBERS(context, context->rank)[i] = from[i];
    come(context, 2 * round + 1);
    for (uint32_t i = 0; i < count; i++) {
        to[i] = 0;
        for (uint32_t rank = 0; rank < context->ranks; rank++) to[i] += NUMBERS(context, rank)[i];
    }
    /* Nobody writes the next numbers before all have read these. */
    come(context, 2 * round + 2);

    uint32_t (*subblock)(void) = (uint32_t (*)(void))dlsym(RTLD_DEFAULT, "pto_sim_get_subblock_id");
    void *(*pipe)(uint64_t, size_t) = (void *(*)(uint64_t, size_t))dlsym(RTLD_DEFAULT, "pto_sim_get_pipe_shared_state");
    const int known = subblock && pipe && subblock() < 2 && pipe(1, 64) && !pipe(1, 1 << 20);
    to[count] = known ? 1 : -1;
}
