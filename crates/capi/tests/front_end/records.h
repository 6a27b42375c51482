/* The records that orchestrations and kernels share with the runtime, as the tables of the contract give them. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint64_t addr, size, owner, start;
    int32_t version;
    uint32_t ndims;
    uint8_t dtype, manual, contiguous, space;
    uint32_t shape[5];
    uint64_t extent;
    uint32_t strides[5];
    uint32_t pad[9];
} __attribute__((aligned(64))) tensor;

typedef struct {
    uint64_t initial;
    bool has_initial;
    uint8_t pad0[15];
    uint64_t start;
    int32_t version;
    uint32_t ndims;
    uint8_t dtype, manual, contiguous, pad1;
    uint32_t shape[5];
} __attribute__((aligned(64))) create_info;

typedef struct { uint64_t addr, cookie; uint32_t expected, engine; int32_t kind; uint32_t pad; } completion;
typedef struct {
    int32_t block, blocks;
    volatile uint32_t *count;
    volatile int32_t *error;
    volatile completion *entries;
    uint32_t capacity, pad;
    uint64_t task;
} local_context;

enum { INPUT, OUTPUT, INOUT, OUTPUT_EXISTING, NO_DEP };

typedef struct {
    int32_t tags[32];
    const void *tensors[32];
    uint64_t scalars[16];
    int32_t tensor_count, scalar_count;
    bool has_error;
    const char *error;
    int16_t blocks;
    bool sync;
    bool early;
    struct { const tensor *tensor; uint32_t ndims, at[5]; uint8_t op; int64_t target; } predicate;
    int32_t timing;
    uint64_t dump[20];
    const uint64_t *deps;
    const uint8_t *kinds;
    uint32_t dep_count;
} task_args;

typedef struct {
    int32_t tags[256];
    const tensor *tensors[256];
    uint64_t scalars[128];
    int32_t tensor_count, scalar_count;
} chip_args;

typedef struct { uint64_t task; uint32_t count; const tensor *tensors[32]; } outputs;
typedef struct { int32_t aic, aiv0, aiv1; } kernels;
typedef struct runtime runtime;
typedef struct {
    outputs (*submit)(runtime *, const kernels *, const task_args *);
    void (*scope_begin)(runtime *);
    void (*scope_end)(runtime *);
    void (*done)(runtime *);
    bool (*is_fatal)(runtime *);
    void (*report_fatal)(runtime *, int32_t, const char *, const char *, ...);
    void (*log[5])(const char *, const char *, ...);
    uint64_t (*get)(runtime *, const tensor *, uint32_t, const uint32_t *);
    void (*set)(runtime *, const tensor *, uint32_t, const uint32_t *, uint64_t);
    outputs (*alloc)(runtime *, const task_args *);
    outputs (*dummy)(runtime *, const task_args *);
    int32_t (*clusters)(runtime *);
    int32_t (*vector_cores)(runtime *);
    void (*site)(const char *, int32_t);
} operations;
struct runtime { const operations *ops; uint8_t mode; };

_Static_assert(sizeof(tensor) == 128 && sizeof(create_info) == 64, "tensors");
_Static_assert(offsetof(tensor, shape) == 44 && offsetof(tensor, strides) == 72, "tensors");
_Static_assert(offsetof(create_info, start) == 24 && offsetof(create_info, shape) == 44, "outputs to be");
_Static_assert(sizeof(task_args) == 784 && offsetof(task_args, scalars) == 384, "arguments");
_Static_assert(offsetof(task_args, blocks) == 536 && offsetof(task_args, predicate) == 544, "arguments");
_Static_assert(offsetof(task_args, timing) == 592 && offsetof(task_args, deps) == 760, "arguments");
_Static_assert(sizeof(outputs) == 272 && sizeof(operations) == 144, "operations");
_Static_assert(offsetof(chip_args, scalars) == 3072 && offsetof(chip_args, tensor_count) == 4096, "arguments");
