/* The orchestrations of these tests: what is done says the name of the entry. */
#include "records.h"

static runtime *rt;
void framework_bind_runtime(runtime *to) { rt = to; }

static task_args empty(void) {
    task_args args;
    memset(&args, 0, sizeof args);
    args.blocks = 1;
    args.timing = -1;
    return args;
}
static void add(task_args *args, int32_t tag, const void *what) {
    args->tags[args->tensor_count] = tag;
    args->tensors[args->tensor_count++] = what;
}
static void scalar(task_args *args, uint64_t bits) { args->scalars[args->scalar_count++] = bits; }
static create_info output(uint32_t elements, uint8_t dtype) {
    create_info info;
    memset(&info, 0, sizeof info);
    info.ndims = 1;
    info.dtype = dtype;
    info.contiguous = 1;
    info.shape[0] = elements;
    return info;
}
static outputs submit(int32_t aiv, const task_args *args) {
    kernels slots = {-1, aiv, -1};
    outputs none;
    memset(&none, 0, sizeof none);
    return rt->ops->is_fatal(rt) ? none : rt->ops->submit(rt, &slots, args);
}
static outputs dummy(const task_args *args) {
    outputs none;
    memset(&none, 0, sizeof none);
    return rt->ops->is_fatal(rt) ? none : rt->ops->dummy(rt, args);
}
static void begin(void) {
    if (!rt->ops->is_fatal(rt)) { rt->mode = 0; rt->ops->scope_begin(rt); }
}
static void end(void) { rt->ops->scope_end(rt); }
static uint64_t bits(float value) {
    uint32_t word;
    memcpy(&word, &value, 4);
    return word;
}

/* f = (a + b + 1)(a + b + 2) + (a + b) */
void vector(const chip_args *in) {
    const tensor *a = in->tensors[0], *b = in->tensors[1], *f = in->tensors[2];
    create_info like = output(a->shape[0], 0);
    task_args sum = empty();
    add(&sum, INPUT, a);
    add(&sum, INPUT, b);
    add(&sum, OUTPUT, &like);
    outputs c = submit(0, &sum);
    if (c.count != 1) return;
    begin();
    outputs plus[2];
    for (int i = 0; i < 2; i++) {
        task_args one = empty();
        add(&one, INPUT, c.tensors[0]);
        add(&one, OUTPUT, &like);
        scalar(&one, bits(1.0f + i));
        plus[i] = submit(1, &one);
        if (plus[i].count != 1) { end(); return; }
    }
    task_args product = empty();
    add(&product, INPUT, plus[0].tensors[0]);
    add(&product, INPUT, plus[1].tensors[0]);
    add(&product, OUTPUT, &like);
    outputs g = submit(2, &product);
    if (g.count == 1) {
        task_args last = empty();
        add(&last, INPUT, g.tensors[0]);
        add(&last, INPUT, c.tensors[0]);
        add(&last, OUTPUT_EXISTING, f);
        submit(0, &last);
    }
    end();
}

/* Scalar 0: how many tasks of one kernel, each with the tensors that were given. */
void many(const chip_args *in) {
    for (uint64_t i = 0; i < in->scalars[0]; i++) {
        task_args args = empty();
        for (int32_t t = 0; t < in->tensor_count; t++) add(&args, INOUT, in->tensors[t]);
        submit(4, &args);
    }
}

/* Tensor 0: words. The kernel raises word 0, then waits until word 1 is not 0. */
void gate(const chip_args *in) {
    task_args args = empty();
    add(&args, INOUT, in->tensors[0]);
    submit(3, &args);
}

void scope_deadlock(const chip_args *in) {
    create_info one = output(1, 2);
    for (int i = 0; i < 8; i++) {
        task_args args = empty();
        add(&args, OUTPUT, &one);
        dummy(&args);
    }
}

void heap_deadlock(const chip_args *in) {
    create_info large = output(8192, 2);
    task_args args = empty();
    add(&args, OUTPUT, &large);
    dummy(&args);
}

void flow_deadlock(const chip_args *in) {
    create_info one = output(1, 2);
    int depth = 0;
    for (; depth < 8 && !rt->ops->is_fatal(rt); depth++) {
        begin();
        for (int i = 0; i < 3; i++) {
            task_args args = empty();
            add(&args, OUTPUT, &one);
            dummy(&args);
        }
    }
    while (depth--) end();
}

void pool_overflow(const chip_args *in) {
    uint64_t tasks[128];
    create_info one = output(1, 2);
    for (int i = 0; i < 128; i++) {
        task_args args = empty();
        add(&args, OUTPUT, &one);
        /* Waits for the gate, so that all are alive when the last comes. */
        add(&args, INPUT, in->tensors[0]);
        tasks[i] = dummy(&args).task;
    }
    task_args last = empty();
    last.deps = tasks;
    last.dep_count = 128;
    dummy(&last);
}

void invalid_args(const chip_args *in) {
    task_args args = empty();
    args.has_error = true;
    args.error = "dependencies without a list";
    dummy(&args);
}

void sync_start(const chip_args *in) {
    task_args args = empty();
    args.blocks = 1000;
    args.sync = true;
    submit(4, &args);
}

void fatal(const chip_args *in) {
    rt->ops->report_fatal(rt, 9, __func__, "asked for with %d and %s", 47, "a text");
    for (int i = 0; i < 3; i++) {
        task_args args = empty();
        submit(4, &args);
        begin();
        end();
    }
}

/* Scalar 0: the code. */
void declared(const chip_args *in) { rt->ops->report_fatal(rt, (int32_t)in->scalars[0], __func__, "of its own"); }

/* Scalar 0: what the kernel does to its record of completions. */
void completions(const chip_args *in) {
    create_info one = output(1, 2);
    task_args args = empty();
    add(&args, OUTPUT, &one);
    scalar(&args, in->scalars[0]);
    submit(5, &args);
}

/* Reads an element that a task writes which does not end. */
void element(const chip_args *in) {
    gate(in);
    uint32_t at = 0;
    rt->ops->get(rt, in->tensors[0], 1, &at);
}

/* More regions than the runtime can remember, of tasks that an open scope holds. */
void map_overflow(const chip_args *in) {
    static tensor regions[32];
    uint64_t next = 0x100000000000;
    for (int i = 0; i < 4096 && !rt->ops->is_fatal(rt); i++) {
        task_args args = empty();
        for (int t = 0; t < 32; t++, next += 4096) {
            regions[t] = *in->tensors[0];
            regions[t].addr = next;
            add(&args, OUTPUT_EXISTING, &regions[t]);
        }
        dummy(&args);
    }
}

void unknown_kernel(const chip_args *in) {
    task_args args = empty();
    submit(77, &args);
}

void loud(const chip_args *in) {
    for (int level = 0; level < 5; level++) rt->ops->log[level](__func__, "level %d of %s", level, "five");
}

void nothing(const chip_args *in) { (void)in; }

typedef struct { int32_t expected; } configuration;
configuration wants_one(const chip_args *in) { return (configuration){1}; }
configuration wants_five(const chip_args *in) { return (configuration){5}; }
