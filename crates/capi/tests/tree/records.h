/* The records of the interface that the two libraries of the collective touch, as their documentation has them. */
#ifndef PREWIRE_TESTS_RECORDS_H
#define PREWIRE_TESTS_RECORDS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t addr, size, owner, start;
    int32_t version;
    uint32_t ndims;
    uint8_t dtype, manual_dep, contiguous, space;
    uint32_t shape[5];
    uint64_t extent;
    uint32_t strides[5], pad[9];
} __attribute__((aligned(64))) Tensor;
_Static_assert(sizeof(Tensor) == 128, "a tensor has 128 bytes");

/* What an orchestration is given, in the form with the selection of arguments to be dumped. */
typedef struct {
    int32_t tags[256];
    const Tensor *tensors[256];
    uint64_t scalars[128];
    int32_t tensor_count, scalar_count;
} ChipArgs;
_Static_assert(offsetof(ChipArgs, tensor_count) == 4096, "the counts come after the scalars");

/* What a task is submitted with, in the same form. */
typedef struct {
    int32_t tags[32];
    const Tensor *tensors[32];
    uint64_t scalars[16];
    int32_t tensor_count, scalar_count;
    uint8_t has_error;
    const char *error;
    int16_t blocks;
    uint8_t sync_start, pad1;
    uint8_t early, pad2[3];
    uint8_t predicate[48];
    int32_t timing_slot;
    uint8_t dump[160];
    const uint64_t *deps;
    const uint8_t *dep_kinds;
    uint32_t dep_count;
} TaskArgs;
_Static_assert(offsetof(TaskArgs, blocks) == 536 && offsetof(TaskArgs, predicate) == 544, "as documented");
_Static_assert(offsetof(TaskArgs, timing_slot) == 592 && offsetof(TaskArgs, deps) == 760, "as documented");
_Static_assert(sizeof(TaskArgs) == 784, "as documented");

typedef struct {
    uint64_t task;
    uint32_t count;
    const Tensor *outputs[32];
} Outputs;
_Static_assert(sizeof(Outputs) == 272, "as documented");

typedef struct {
    int32_t aic, aiv0, aiv1;
} Kernels;

typedef struct Runtime Runtime;

/* The first of the operations; the others are not used here. */
typedef struct {
    Outputs (*submit_task)(Runtime *, const Kernels *, const TaskArgs *);
    void *others[17];
} Operations;

struct Runtime {
    const Operations *operations;
    uint8_t scope_mode;
};

/* A communicator, as a kernel sees it. */
typedef struct {
    uint64_t work_space, work_space_size;
    uint32_t rank, ranks;
    uint64_t window_size, windows_in[64], windows_out[64];
} CommContext;
_Static_assert(sizeof(CommContext) == 1056, "as documented");

#endif
